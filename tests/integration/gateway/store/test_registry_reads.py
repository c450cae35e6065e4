import asyncio
import time

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.model.secret import EndpointSecret
from gateway.model.subscriber import Subscriber
from gateway.store import changes
from gateway.store import registry_values as values
from gateway.store.changes import Change
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from gateway.store.registry_reads import RegistryReader
from tests.integration.gateway.store.clock import HandClock

SHOP = Subscriber("shop", "internal")


def endpoint(endpoint_id: str) -> Endpoint:
    return Endpoint(endpoint_id, 0, "shop", "internal", "http://shop.local/in")


@pytest.fixture
async def registry(plain_redis: Redis, clock: HandClock) -> Registry:
    registry = Registry(plain_redis, clock)
    await registry.bootstrap(4)
    return registry


async def loaded(registry: RegistryReader) -> list[Endpoint]:
    """All endpoints, page by page, by number."""
    found = {one.id: one async for page in registry.endpoint_pages() for one in page}
    return sorted(found.values(), key=lambda one: one.number)


async def test_an_empty_registry_answers_with_nothing(registry: Registry) -> None:
    assert await registry.get_subscriber("shop") is None
    assert await registry.get_endpoint("a") is None
    assert await registry.get_endpoints(["a"]) == {}
    assert await registry.list_endpoints("shop") == await registry.list_endpoints() == []
    assert await registry.list_subscribers() == []
    assert await registry.endpoint_names([]) == {}
    assert await loaded(registry) == []


async def test_an_emptied_store_has_no_meta(registry: Registry, plain_redis: Redis) -> None:
    await plain_redis.flushall()
    assert await registry.meta() is None


async def test_lists_are_oldest_first(registry: Registry, clock: HandClock) -> None:
    for name in ("b", "c", "a"):
        clock.ms += 1
        await registry.create_subscriber(Subscriber(name, "internal"))
    await registry.create_subscriber(SHOP, [endpoint(name) for name in ("y", "x", "z")])
    assert [each.id for each in await registry.list_subscribers()] == ["b", "c", "a", "shop"]
    assert [each.id for each in await registry.list_endpoints()] == ["y", "x", "z"]
    assert list(await registry.get_endpoints(["z", "missing", "x", "z"])) == ["z", "x"]


async def test_changes_are_read_to_the_end_from_any_cursor(registry: Registry) -> None:
    start = await registry.changes_tail()
    await registry.create_subscriber(SHOP, [endpoint("a")])
    middle = await registry.changes_tail()
    await registry.delete_endpoint("a")
    found = await registry.changes_since(start)
    assert found.changes == (Change("subscriber", "shop"), Change("endpoint", "a"), Change("endpoint", "a"))
    assert (await registry.changes_since(middle)).changes == (Change("endpoint", "a"),)
    assert await registry.changes_since(found.cursor) == changes.Changes(found.cursor)
    assert found.cursor == await registry.changes_tail()


async def test_the_command_in_a_pipeline_of_the_reader_parses_the_same(registry: Registry, plain_redis: Redis) -> None:
    cursor = await registry.changes_tail()
    await registry.create_subscriber(SHOP)
    pipeline = plain_redis.pipeline(transaction=False)
    pipeline.execute_command(*changes.command(cursor))
    (reply,) = await pipeline.execute()
    assert changes.parse(cursor, reply) == await registry.changes_since(cursor)


async def test_a_long_list_of_changes_comes_in_pages(registry: Registry, plain_redis: Redis) -> None:
    cursor = await registry.changes_tail()
    pipeline = plain_redis.pipeline(transaction=False)
    for index in range(changes.PAGE + 5):
        pipeline.execute_command("XADD", RegistryKeys.changes, "*", "kind", "endpoint", "id", str(index))
    await pipeline.execute()
    first = await registry.changes_since(cursor)
    assert first.more
    second = await registry.changes_since(first.cursor)
    assert not second.more
    ids = [int(change.id) for change in first.changes + second.changes]
    assert ids == list(range(changes.PAGE + 5))


async def test_the_stream_is_trimmed_and_a_cursor_that_fell_out_is_truncated(
    registry: Registry, plain_redis: Redis
) -> None:
    old = await registry.changes_tail()
    pipeline = plain_redis.pipeline(transaction=False)
    for index in range(11_000):
        pipeline.execute_command("XADD", RegistryKeys.changes, "*", "kind", "endpoint", "id", str(index))
    await pipeline.execute()
    assert not (await registry.changes_since(old)).truncated
    await registry.create_subscriber(SHOP)
    assert await plain_redis.xlen(RegistryKeys.changes) < 10_200
    assert (await registry.changes_since(old)).truncated
    assert not (await registry.changes_since(await registry.changes_tail())).truncated


@pytest.mark.parametrize("with_later_changes", [False, True])
async def test_a_change_stream_that_was_deleted_is_truncated(
    registry: Registry, plain_redis: Redis, with_later_changes: bool
) -> None:
    await registry.create_subscriber(SHOP)
    cursor = await registry.changes_tail()
    await registry.create_endpoint(endpoint("unseen"))
    await plain_redis.delete(RegistryKeys.changes)
    if with_later_changes:
        await registry.create_endpoint(endpoint("later"))
    assert (await registry.changes_since(cursor)).truncated
    cursor = await registry.changes_tail()
    endpoints = await loaded(registry)
    assert "unseen" in {each.id for each in endpoints}
    assert await registry.changes_since(cursor) == changes.Changes(cursor)


async def test_a_cursor_from_before_the_clock_of_the_store_went_back_is_truncated(registry: Registry) -> None:
    assert (await registry.changes_since("9999999999999-0")).truncated


async def test_a_change_during_a_load_is_in_it_or_after_its_cursor(registry: Registry) -> None:
    await registry.create_subscriber(SHOP)
    names = [f"n{index}" for index in range(100)]

    async def write() -> None:
        for name in names:
            await registry.create_endpoint(endpoint(name))

    writing = asyncio.create_task(write())
    while not writing.done():
        cursor = await registry.changes_tail()
        endpoints = await loaded(registry)
        known = {each.id for each in endpoints}
        await asyncio.wait([writing], timeout=0.001)
        written = {each.id for each in await registry.list_endpoints()}
        found = await registry.changes_since(cursor)
        assert written <= known | {change.id for change in found.changes}
    await writing


async def test_20_000_endpoints_load_within_2_seconds(plain_redis: Redis) -> None:
    template = values.unpack_endpoint(values.pack_endpoint(endpoint("x"), values.new_token()))
    pipeline = plain_redis.pipeline(transaction=False)
    secrets = (EndpointSecret("sec_018bcfe5687b0102030405", "v1", bytes(130), created_ms=1_800_000_000_000),)
    for number in range(1, 20_001):
        each = msgspec.structs.replace(template, id=f"ep_{number}", number=number, secrets=secrets)
        pipeline.execute_command("HSET", RegistryKeys.endpoints, each.id, values.pack_endpoint(each, bytes(8)))
    await pipeline.execute()
    begun = time.monotonic()
    endpoints = await loaded(RegistryReader(plain_redis))
    assert time.monotonic() - begun < 2.0
    assert [each.number for each in endpoints] == list(range(1, 20_001))
