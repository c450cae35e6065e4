"""What is counted of filters without an answer: exactly, for the filter that an endpoint has now."""

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.store import filter_errors
from gateway.store.filter_errors import FilterErrors
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock


@pytest.fixture
async def registry(redis: Redis, clock: HandClock) -> Registry:
    registry = Registry(redis, clock)
    await registry.bootstrap(4)
    return registry


@pytest.fixture
async def made(registry: Registry) -> list[Endpoint]:
    new = [Endpoint(name, 0, "acme", "external", "https://acme.example", filter="data.x") for name in "ab"]
    return list(await registry.create_subscriber(Subscriber("acme", "external"), new))


async def test_reports_add_up_and_the_newest_reason_is_kept(redis: Redis, made: list[Endpoint]) -> None:
    a, b = made
    await filter_errors.report(redis, [(a, FilterErrors(2, "first", 10)), (b, FilterErrors(1, "other", 11))])
    await filter_errors.report(redis, [(a, FilterErrors(3, "newest", 30))])
    await filter_errors.report(redis, [(a, FilterErrors(1, "late", 20))])
    assert await filter_errors.read(redis, made) == {
        a.number: FilterErrors(6, "newest", 30),
        b.number: FilterErrors(1, "other", 11),
    }


async def test_another_filter_begins_at_nothing(redis: Redis, made: list[Endpoint]) -> None:
    old, new = made[0], msgspec.structs.replace(made[0], filter="data.y")
    await filter_errors.report(redis, [(old, FilterErrors(9, "of the old", 10))])
    assert await filter_errors.read(redis, [new]) == {}
    await filter_errors.report(redis, [(new, FilterErrors(1, "of the new", 20))])
    await filter_errors.report(redis, [(old, FilterErrors(5, "from a dispatcher that is behind", 15))])
    assert await filter_errors.read(redis, [new]) == {new.number: FilterErrors(1, "of the new", 20)}


async def test_an_endpoint_without_filter_is_not_asked_for(redis: Redis, made: list[Endpoint]) -> None:
    await filter_errors.report(redis, [(made[0], FilterErrors(1, "x", 1))])
    assert await filter_errors.read(redis, [msgspec.structs.replace(made[0], filter="")]) == {}
    assert await filter_errors.read(redis, []) == {}


@pytest.mark.parametrize("how", ["endpoint", "subscriber"])
async def test_nothing_is_left_of_an_endpoint_that_is_gone(
    redis: Redis, registry: Registry, made: list[Endpoint], how: str
) -> None:
    await filter_errors.report(redis, [(one, FilterErrors(1, "x", 1)) for one in made])
    if how == "endpoint":
        await registry.delete_endpoint("a")
        await registry.delete_endpoint("b")
    else:
        await registry.delete_subscriber("acme")
    await filter_errors.report(redis, [(made[0], FilterErrors(1, "still under way", 2))])
    assert await redis.hkeys(RegistryKeys.filter_errors) == [b"reports"]


async def test_long_reports_are_cut_and_many_are_sent_in_batches(redis: Redis, registry: Registry) -> None:
    new = [Endpoint(f"e{n}", 0, "shop", "internal", "http://a.example", filter="true") for n in range(200)]
    made = await registry.create_subscriber(Subscriber("shop", "internal"), new)
    await filter_errors.report(redis, [(one, FilterErrors(1, "é" * 400, 5)) for one in made])
    found = await filter_errors.read(redis, made)
    assert len(found) == 200
    assert {len(errors.last_error) for errors in found.values()} == {filter_errors.LONGEST_REASON}


async def test_totals_are_those_of_all_endpoints(redis: Redis, made: list[Endpoint]) -> None:
    assert await filter_errors.totals(redis) == (0, 0)
    await filter_errors.report(redis, [(made[0], FilterErrors(2, "x", 1)), (made[1], FilterErrors(5, "y", 1))])
    assert await filter_errors.totals(redis) == (2, 7)
