"""The registry's outbox on a real store: written by the script that makes it true, removed by comparison."""

import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint, LastFailure
from gateway.model.subscriber import Subscriber
from gateway.store.operational import EndpointDisabled
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock

SHOP = Subscriber("shop", "internal")
FAILURE = LastFailure(1_700_000_000_001, "http_status", 410, "dlv_1")


def endpoint(endpoint_id: str) -> Endpoint:
    return Endpoint(endpoint_id, 0, "shop", "internal", "http://shop.local/in")


@pytest.fixture
async def registry(redis: Redis, clock: HandClock) -> Registry:
    registry = Registry(redis, clock)
    await registry.bootstrap(4)
    return registry


async def test_an_endpoint_that_the_system_disables_leaves_one_event_to_publish(registry: Registry) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a"), endpoint("b")])
    await registry.disable("a", "gone", 1_700_000_000_001, FAILURE)
    await registry.disable("b", "operator", 1_000)
    (entry,) = await registry.pending_operational()
    assert isinstance(entry, EndpointDisabled)
    assert (entry.endpoint, entry.subscriber, entry.reason, entry.at_ms) == ("a", "shop", "gone", 1_700_000_000_001)
    assert (entry.last_failure, entry.delivery, entry.count) == (FAILURE, "dlv_1", 1)
    assert await registry.operational_done(entry)
    assert await registry.pending_operational() == []


async def test_a_newer_event_in_the_outbox_is_not_removed_with_an_older_one(registry: Registry) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a")])
    await registry.disable("a", "gone", 1_000)
    (older,) = await registry.pending_operational()
    await registry.enable("a")
    await registry.disable("a", "gone", 2_000)
    assert not await registry.operational_done(older)
    (newer,) = await registry.pending_operational()
    assert isinstance(newer, EndpointDisabled)
    assert (newer.at_ms, newer.count) == (2_000, 2)
    assert newer.event_id != older.event_id
    assert await registry.operational_done(newer)
