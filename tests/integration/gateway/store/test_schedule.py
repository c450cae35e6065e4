import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Record, State
from gateway.store import schedule
from tests.support.filled_store import FilledStore


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    return await FilledStore.open(plain_redis)


def due(ms: int) -> Record:
    return Record(State.SCHEDULED, attempts=1, due_ms=ms)


async def test_what_is_due_comes_earliest_first_and_never_early(filled: FilledStore) -> None:
    addresses = [await filled.publish(0) for _ in range(4)]
    for address, ms in zip(addresses, (300, 100, 200, 301), strict=True):
        await filled.settle(address, {1: due(ms)})
    keys = [ids.DeliveryKey(*address, 1) for address in addresses]
    p = filled.partitions[0]
    assert await schedule.due(filled.redis, p, 99, 10) == []
    assert await schedule.due(filled.redis, p, 300, 10) == [keys[1], keys[2], keys[0]]
    assert await schedule.due(filled.redis, p, 300, 2) == [keys[1], keys[2]]


async def test_a_lane_gives_the_oldest_events_first(filled: FilledStore) -> None:
    addresses = [await filled.publish(0) for _ in range(5)]
    for address in reversed(addresses):
        await filled.change(ids.DeliveryKey(*address, 9), None, Record(State.PENDING))
    p = filled.partitions[0]
    assert await schedule.lane_sizes(filled.redis, p) == {9: 5}
    found = await schedule.lane(filled.redis, p, 9, 3)
    assert [key.address for key in found] == addresses[:3]
    assert await schedule.lane(filled.redis, p, 8, 3) == []


async def test_no_lanes(filled: FilledStore) -> None:
    assert await schedule.lane_sizes(filled.redis, filled.partitions[0]) == {}


async def test_open_deliveries_are_gone_through_in_pages(filled: FilledStore) -> None:
    p = filled.partitions[0]
    for _ in range(5):
        await filled.settle(await filled.publish(0), dict.fromkeys(range(1, 201), due(5)))
    cursor, seen, pages = 0, set(), 0
    while pages == 0 or cursor:
        cursor, page = await schedule.open_page(filled.redis, p, cursor)
        seen |= set(page)
        pages += 1
    assert len(seen) == 1_000
    assert pages > 1
