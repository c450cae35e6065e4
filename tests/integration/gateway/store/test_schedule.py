import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.store import schedule
from gateway.store.schedule import ChainId
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


def in_line(chain: int) -> Record:
    return Record(State.HELD, Reason.ORDER, chain=chain)


async def test_chains_are_counted_and_their_first_is_the_oldest_event(filled: FilledStore) -> None:
    addresses = [await filled.publish(0) for _ in range(6)]
    for n, address in enumerate(reversed(addresses)):
        await filled.change(ids.DeliveryKey(*address, 9), None, in_line(5 if n % 2 else 2**32 - 1))
    await filled.change(ids.DeliveryKey(*addresses[5], 2**24), None, in_line(5))
    p = filled.partitions[0]
    last = ChainId(9, 2**32 - 1)
    assert await schedule.chain_sizes(filled.redis, p) == {ChainId(9, 5): 3, last: 3, ChainId(2**24, 5): 1}
    wanted = [last, ChainId(9, 4), ChainId(9, 5), ChainId(2**24, 5), ChainId(8, 5)]
    heads = await schedule.chain_heads(filled.redis, p, wanted)
    assert [key and key.address for key in heads] == [addresses[1], None, addresses[0], addresses[5], None]
    assert await schedule.chain_heads(filled.redis, p, []) == []


async def test_who_ends_or_steps_aside_leaves_its_chain_to_the_next(filled: FilledStore) -> None:
    addresses = [await filled.publish(0) for _ in range(3)]
    keys = [ids.DeliveryKey(*address, 9) for address in addresses]
    for key in keys:
        await filled.change(key, None, in_line(5))
    p, chain = filled.partitions[0], ChainId(9, 5)
    steps = ((keys[0], Record(State.DELIVERED, attempts=1)), (keys[1], Record(State.SCHEDULED, attempts=1, due_ms=9)))
    for at, (key, after) in enumerate(steps, 1):
        await filled.change(key, in_line(5), after)
        assert await schedule.chain_heads(filled.redis, p, [chain]) == [keys[at]]
        assert await schedule.chain_sizes(filled.redis, p) == {chain: 3 - at}
    await filled.change(keys[2], in_line(5), Record(State.PENDING, due_ms=7, chain=5))
    assert await schedule.chain_sizes(filled.redis, p) == {chain: 1}, "who runs elsewhere stands in line"


async def test_many_chains_are_counted(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {n: in_line(n % 7 + 1) for n in range(1, 201)})
    for _ in range(9):
        await filled.settle(await filled.publish(0), {n: in_line(n % 7 + 1) for n in range(1, 201)})
    sizes = await schedule.chain_sizes(filled.redis, filled.partitions[0])
    assert len(sizes) == 200
    assert set(sizes.values()) == {10}


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
