"""Warnings before an endpoint is disabled as failing, and the probe that brings it back."""

from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Health
from gateway.store import health as module
from gateway.store.changes import Change
from gateway.store.health import HealthReport, HealthStore
from gateway.store.operational import EndpointDisabled, EndpointEnabled, EndpointFailing
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock
from tests.integration.gateway.store.health_reports import HOUR, NOW, failed, failure, one, registered, succeeded


@pytest.fixture
async def registry(redis: Redis, clock: HandClock) -> Registry:
    return await registered(redis, clock)


@pytest.fixture
async def health(registry: Registry, redis: Redis) -> HealthStore:
    return HealthStore(redis)


def died(at_ms: int) -> HealthReport:
    return HealthReport(1, "a", last_failure=failure(at_ms), dead_ms=at_ms)


async def told(registry: Registry) -> list[tuple[str, int | None, int]]:
    entries = [entry for entry in await registry.pending_operational() if isinstance(entry, EndpointFailing)]
    assert all((entry.endpoint, entry.subscriber, entry.number) == ("a", "acme", 1) for entry in entries)
    return sorted((entry.reason, entry.failing_since_ms, entry.disables_at_ms) for entry in entries)


async def test_the_first_dead_letter_of_a_failing_endpoint_is_told_once(
    health: HealthStore, registry: Registry
) -> None:
    await health.report([failed(NOW, NOW + 20, 2)], HOUR, NOW + 30)
    assert await told(registry) == []
    await health.report([died(NOW + 20)], HOUR, NOW + 20)
    await health.report([died(NOW + 50)], HOUR, NOW + 50)
    assert await told(registry) == [("first_dead", NOW, NOW + HOUR * 1_000)]
    (entry,) = await registry.pending_operational()
    assert isinstance(entry, EndpointFailing)
    assert (entry.consecutive_failures, entry.last_failure) == (2, failure(NOW + 20))
    assert entry.event_id == f"op:dlv_{NOW + 20}:endpoint_failing:first_dead:{NOW}"
    assert (await one(health)).consecutive_failures == 2, "the attempt was counted by the report"


async def test_a_dead_letter_may_be_known_before_the_failure(health: HealthStore, registry: Registry) -> None:
    await health.report([died(NOW + 20)], HOUR, NOW + 20)
    await health.report([failed(NOW + 10, NOW + 20, 2)], HOUR, NOW + 30)
    assert await told(registry) == [("first_dead", NOW + 20, NOW + 20 + HOUR * 1_000)]
    assert await one(health) == Health(2, NOW + 10, None, failure(NOW + 20))
    await health.report([died(NOW + 40)], HOUR, NOW + 40)
    assert len(await told(registry)) == 1


async def test_a_dead_letter_of_an_endpoint_that_succeeded_since_tells_nothing(
    health: HealthStore, registry: Registry
) -> None:
    await health.report([succeeded(NOW + 30)], HOUR, NOW + 30)
    await health.report([died(NOW + 20)], HOUR, NOW + 20)
    assert await told(registry) == []
    assert (await one(health)).failing_since_ms is None


async def test_half_of_the_time_is_told_once(health: HealthStore, registry: Registry) -> None:
    half = NOW + HOUR * 500
    await health.report([failed(NOW, half - 1, 2)], HOUR, half - 1)
    assert await told(registry) == []
    await health.report([failed(half, half)], HOUR, half)
    await health.report([failed(half + 1, half + 1)], HOUR, half + 1)
    assert await told(registry) == [("half_time", NOW, NOW + HOUR * 1_000)]


async def test_a_new_period_of_failing_is_told_anew(health: HealthStore, registry: Registry) -> None:
    half = HOUR * 500
    await health.report([failed(NOW, NOW + half), died(NOW + half)], HOUR, NOW + half)
    assert [reason for reason, *_ in await told(registry)] == ["first_dead", "half_time"]
    await health.report([succeeded(NOW + half + 1)], HOUR, NOW + half + 1)
    later = NOW + half + 2
    await health.report([failed(later, later + half), died(later + half)], HOUR, later + half)
    assert [since for _, since, _ in await told(registry)] == [NOW, later] * 2


async def test_nothing_is_told_of_an_endpoint_that_is_disabled_now_or_was(
    health: HealthStore, registry: Registry
) -> None:
    at = NOW + HOUR * 1_000
    await health.report([failed(NOW, at)], HOUR, at)
    await health.report([died(at + 1)], HOUR, at + 1)
    assert [type(entry) for entry in await registry.pending_operational()] == [EndpointDisabled]


async def test_what_is_failing_may_be_gone(health: HealthStore, registry: Registry) -> None:
    at = NOW + HOUR * 1_000
    await health.report([failed(NOW, at)], HOUR, at)
    assert await registry.disable("a", "gone", at + 1)
    stored = await registry.get_endpoint("a")
    assert stored
    assert (stored.disabled_reason, stored.disabled_ms) == ("gone", at + 1)


async def test_a_probe_enables_what_was_disabled_as_failing(
    health: HealthStore, registry: Registry, redis: Redis
) -> None:
    at = NOW + HOUR * 1_000
    await health.report([failed(NOW, at, 9)], HOUR, at)
    cursor = await registry.changes_tail()
    assert not await module.enable_probed(redis, "a", at + 1, at + 5, "dlv_1"), "it was disabled at another time"
    assert not await module.enable_probed(redis, "missing", at, at + 5, "dlv_1")
    assert await module.enable_probed(redis, "a", at, at + 5, "dlv_1")
    assert not await module.enable_probed(redis, "a", at, at + 6, "dlv_1"), "it is enabled already"
    stored = await registry.get_endpoint("a")
    assert stored
    assert (stored.status, stored.disabled_reason, stored.updated_ms) == ("enabled", None, at + 5)
    assert (await registry.changes_since(cursor)).changes == (Change("endpoint", "a"),)
    assert await one(health) == Health(0, None, at + 5, None)
    (entry,) = [one for one in await registry.pending_operational() if isinstance(one, EndpointEnabled)]
    assert (entry.endpoint, entry.subscriber, entry.at_ms) == ("a", "acme", at + 5)
    assert (entry.disabled_ms, entry.failing_since_ms, entry.delivery) == (at, NOW, "dlv_1")
    assert entry.event_id == f"op:dlv_1:endpoint_enabled:{at}"


@pytest.mark.parametrize("reason", ["gone", "operator"])
async def test_a_probe_changes_nothing_that_others_decided(registry: Registry, redis: Redis, reason: Any) -> None:
    await registry.disable("a", reason, NOW)
    assert not await module.enable_probed(redis, "a", NOW, NOW + 5, "dlv_1")
    stored = await registry.get_endpoint("a")
    assert stored
    assert (stored.status, stored.disabled_reason) == ("disabled", reason)
