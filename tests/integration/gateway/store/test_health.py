from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint, Health
from gateway.model.subscriber import Subscriber
from gateway.store import connection, scripts
from gateway.store import health as module
from gateway.store.changes import Change
from gateway.store.health import HealthReport, HealthStore
from gateway.store.keys import RegistryKeys
from gateway.store.operational import EndpointDisabled
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock
from tests.integration.gateway.store.health_reports import HOUR, NOW, failed, failure, one, registered, succeeded


@pytest.fixture
async def registry(redis: Redis, clock: HandClock) -> Registry:
    return await registered(redis, clock)


@pytest.fixture
async def health(registry: Registry, redis: Redis) -> HealthStore:
    return HealthStore(redis)


async def disabled(registry: Registry) -> list[EndpointDisabled]:
    return [entry for entry in await registry.pending_operational() if isinstance(entry, EndpointDisabled)]


async def test_an_endpoint_without_attempts_has_no_health(health: HealthStore) -> None:
    assert await health.get([1, 2, 99]) == {}
    assert await health.get([]) == {}


async def test_failures_add_up_since_the_first_and_keep_the_newest(health: HealthStore) -> None:
    assert await health.report([failed(NOW, NOW + 20, 2)], HOUR, NOW + 30) == []
    assert await health.report([failed(NOW + 50, NOW + 70, 3)], HOUR, NOW + 80) == []
    assert await one(health) == Health(5, NOW, None, failure(NOW + 70))


async def test_a_success_ends_the_failures_before_it(health: HealthStore) -> None:
    await health.report([failed(NOW, NOW + 20, 2)], HOUR, NOW + 30)
    await health.report([succeeded(NOW + 40)], HOUR, NOW + 50)
    assert await one(health) == Health(0, None, NOW + 40, failure(NOW + 20))


async def test_failures_after_a_success_in_one_report_count_from_then(health: HealthStore) -> None:
    await health.report([failed(NOW, NOW + 20, 2)], HOUR, NOW + 30)
    mixed = HealthReport(1, "a", 4, 2, NOW + 60, NOW + 55, failure(NOW + 70))
    await health.report([mixed], HOUR, NOW + 80)
    assert await one(health) == Health(2, NOW + 60, NOW + 55, failure(NOW + 70))


async def test_a_late_report_of_an_older_success_ends_nothing(health: HealthStore) -> None:
    await health.report([failed(NOW + 10, NOW + 20, 2)], HOUR, NOW + 30)
    await health.report([succeeded(NOW + 5)], HOUR, NOW + 40)
    assert await one(health) == Health(2, NOW + 10, NOW + 5, failure(NOW + 20))


async def test_a_late_report_of_older_failures_begins_nothing(health: HealthStore) -> None:
    await health.report([succeeded(NOW + 100)], HOUR, NOW + 110)
    await health.report([failed(NOW, NOW + 50, 2)], HOUR, NOW + 120)
    assert await one(health) == Health(0, None, NOW + 100, failure(NOW + 50))
    await health.report([failed(NOW, NOW + 150, 2)], HOUR, NOW + 160)
    assert await one(health) == Health(2, NOW + 100, NOW + 100, failure(NOW + 150))


async def test_an_endpoint_that_fails_for_too_long_is_disabled_once(health: HealthStore, registry: Registry) -> None:
    cursor = await registry.changes_tail()
    at = NOW + HOUR * 1_000
    assert await health.report([failed(NOW, at - 1, 9)], HOUR, at - 1) == []
    assert await health.report([failed(at, at)], HOUR, at) == ["a"]
    assert await health.report([failed(at + 1, at + 1)], HOUR, at + 1) == []
    stored = await registry.get_endpoint("a")
    assert stored
    assert (stored.status, stored.disabled_reason, stored.disabled_ms) == ("disabled", "failing", at)
    assert (await registry.changes_since(cursor)).changes == (Change("endpoint", "a"),)
    (entry,) = await disabled(registry)
    assert (entry.reason, entry.at_ms, entry.consecutive_failures) == ("failing", at, 10)
    assert (entry.failing_since_ms, entry.last_failure) == (NOW, failure(at))


async def test_a_success_in_time_keeps_an_endpoint_enabled(health: HealthStore, registry: Registry) -> None:
    at = NOW + HOUR * 1_000
    await health.report([failed(NOW, at - 10, 9)], HOUR, at - 10)
    await health.report([succeeded(at - 5)], HOUR, at - 5)
    assert await health.report([failed(at, at)], HOUR, at) == []
    stored = await registry.get_endpoint("a")
    assert stored
    assert stored.status == "enabled"
    assert await disabled(registry) == []


async def test_an_enabled_endpoint_gets_the_whole_time_again(health: HealthStore, registry: Registry) -> None:
    at = NOW + HOUR * 1_000
    await health.report([failed(NOW, at, 9)], HOUR, at)
    await registry.enable("a")
    assert await health.report([failed(at + 1, at + 1)], HOUR, at + 1) == []


async def test_reports_of_deleted_or_remade_endpoints_are_dropped(health: HealthStore, registry: Registry) -> None:
    await registry.delete_endpoint("a")
    await registry.create_endpoint(Endpoint("a", 0, "acme", "external", "https://acme.example"))
    assert await health.report([failed(NOW, NOW), HealthReport(7, "missing", 1)], 0, NOW + 1) == []
    assert await health.get([1, 3, 7]) == {}


async def test_many_reports_go_in_batches(health: HealthStore) -> None:
    reports = [failed(NOW + index, NOW + index) for index in range(2 * module.BATCH + 1)]
    reports.append(HealthReport(2, "b", 0, 1, NOW, 0, failure(NOW)))
    assert await health.report(reports, 0, NOW + 1_000) == ["a", "b"]
    assert (await one(health)).consecutive_failures == len(reports) - 1


async def test_the_list_of_handled_calls_is_bounded(health: HealthStore, plain_redis: Redis) -> None:
    await health.report([], HOUR, NOW)
    for _ in range(140):
        await health.report([succeeded(NOW)], HOUR, NOW)
    calls: Any = await plain_redis.hget(RegistryKeys.health, "reports")
    assert calls is None or len(calls) <= 128 * 8


async def test_a_call_repeated_after_other_calls_is_still_recognised(plain_redis: Redis, clock: HandClock) -> None:
    registry, health = Registry(plain_redis, clock), HealthStore(plain_redis)
    await registry.bootstrap(4)
    made = Endpoint("a", 0, "acme", "external", "https://acme.example")
    await registry.create_subscriber(Subscriber("acme", "external"), [made])
    keys = [
        RegistryKeys.health,
        RegistryKeys.endpoints,
        RegistryKeys.numbers,
        RegistryKeys.outbox,
        RegistryKeys.changes,
    ]
    args: list[scripts.Argument] = [b"call-one", NOW, 3_600_000, "a", 1, 0, 0, 2, NOW, 0, NOW, b"", 0]
    await scripts.load("health")(plain_redis, keys, args)
    for index in range(100):
        await health.report([failed(NOW + index, NOW + index)], HOUR, NOW + index)
    await scripts.load("health")(plain_redis, keys, args)
    assert (await health.get([1]))[1].consecutive_failures == 102


events = st.lists(st.tuples(st.booleans(), st.integers(1, 4)), min_size=1, max_size=12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events)
async def test_reports_in_order_tell_what_a_count_of_the_attempts_tells(
    valkey_url: str, steps: list[tuple[bool, int]]
) -> None:
    redis = connection.connect(valkey_url)
    await redis.flushall()
    registry, health = Registry(redis, HandClock()), HealthStore(redis)
    await registry.bootstrap(4)
    made = Endpoint("a", 0, "acme", "external", "https://acme.example")
    await registry.create_subscriber(Subscriber("acme", "external"), [made])
    now, failures, since, success = NOW, 0, 0, 0
    for good, count in steps:
        now += 10
        if good:
            failures, since, success = 0, 0, now
            await health.report([HealthReport(1, "a", count, last_success_ms=now)], HOUR, now)
        else:
            failures, since = failures + count, since or now
            await health.report([failed(now, now, count)], HOUR, now)
    read = (await health.get([1]))[1]
    assert (read.consecutive_failures, read.failing_since_ms, read.last_success_ms) == (
        failures,
        since or None,
        success or None,
    )
    await redis.aclose()
