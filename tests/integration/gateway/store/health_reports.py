"""Two endpoints, and reports of how the first one does: for the tests of health."""

from typing import Any

from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint, Health, LastFailure
from gateway.model.subscriber import Subscriber
from gateway.store.health import HealthReport, HealthStore
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock

HOUR = 3_600
NOW = 1_700_000_000_000


def failure(at_ms: int) -> LastFailure:
    return LastFailure(at_ms, "http_status", 500, f"dlv_{at_ms}")


def failed(first_ms: int, last_ms: int, count: int = 1, **more: Any) -> HealthReport:
    return HealthReport(1, "a", 0, count, first_ms, 0, failure(last_ms), **more)


def succeeded(at_ms: int) -> HealthReport:
    return HealthReport(1, "a", 1, last_success_ms=at_ms)


async def one(health: HealthStore) -> Health:
    return (await health.get([1]))[1]


async def registered(redis: Redis, clock: HandClock) -> Registry:
    """A registry with the endpoints `a` and `b`."""
    registry = Registry(redis, clock)
    await registry.bootstrap(4)
    made = [Endpoint(name, 0, "acme", "external", "https://acme.example") for name in "ab"]
    await registry.create_subscriber(Subscriber("acme", "external"), made)
    return registry
