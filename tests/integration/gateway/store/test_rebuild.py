"""Places made again from the records, whatever was deleted, while deliveries are settled."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.store import ledger, rebuild, retention, schedule
from gateway.store.keys import PartitionKeys
from tests.support.filled_store import FilledStore

LATER = 4_000_000_000_000
RECORDS = (
    Record(State.PENDING, changed_ms=1),
    Record(State.PENDING, due_ms=LATER),
    Record(State.SCHEDULED, attempts=1, due_ms=LATER + 1),
    Record(State.HELD, Reason.PAUSED),
    Record(State.HELD, Reason.BREAKER),
    Record(State.HELD, Reason.ORDER, chain=7),
    Record(State.SCHEDULED, attempts=1, due_ms=LATER + 2, chain=7),
    Record(State.DELIVERED, attempts=1),
    Record(State.DEAD, Reason.EXHAUSTED),
    Record(State.SKIPPED, Reason.OPERATOR),
)
KEYS: dict[str, Callable[[PartitionKeys], list[str]]] = {
    "open": lambda p: [p.open],
    "dead": lambda p: [p.dead],
    "due": lambda p: [p.due],
    "lanes": lambda p: [p.lanes],
    "a lane": lambda p: [p.lane(1)],
    "a lane of what is held": lambda p: [p.lane(4)],
    "order": lambda p: [p.order],
    "everything": lambda p: [p.open, p.dead, p.due, p.lanes, p.order, p.lane(1), p.lane(4), p.lane(5)],
}


async def no_pulse() -> None:
    """Nothing to keep alive here."""


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    """Events of several minutes are not needed: a record's minute is that of its event."""
    filled = await FilledStore.open(plain_redis)
    for _ in range(40):
        await filled.settle(await filled.publish(0), dict(enumerate(RECORDS, 1)))
    return filled


async def places(filled: FilledStore) -> dict[str, Any]:
    p = filled.partitions[0]
    found: dict[str, Any] = {
        name: await filled.redis.zrange(key, 0, -1, withscores=True)
        for name, key in (("open", p.open), ("dead", p.dead), ("due", p.due), ("order", p.order))
    }
    found |= {f"lane {n}": await filled.redis.zrange(p.lane(n), 0, -1, withscores=True) for n in (1, 4, 5)}
    return {**found, "lanes": await filled.redis.smembers(p.lanes)}


async def rebuilt(filled: FilledStore) -> int:
    return await rebuild.rebuild(filled.redis, filled.partitions[0], filled.tokens[0], no_pulse)


async def differs(filled: FilledStore) -> bool:
    return await rebuild.differs(filled.redis, filled.partitions[0])


async def test_nothing_differs_at_first_and_rebuilding_changes_nothing(filled: FilledStore) -> None:
    before = await places(filled)
    assert not await differs(filled)
    assert await rebuilt(filled) == 0
    assert await places(filled) == before
    counted, found = await rebuild.compare(filled.redis, filled.partitions[0])
    assert counted == found == rebuild.Places(open=280, waiting=240, chained=80, dead=40)


@pytest.mark.parametrize("name", KEYS)
async def test_a_deleted_key_is_noticed_and_made_again(filled: FilledStore, name: str) -> None:
    before = await places(filled)
    await filled.redis.delete(*KEYS[name](filled.partitions[0]))
    assert await differs(filled)
    assert await rebuilt(filled) > 0
    assert await places(filled) == before
    assert not await differs(filled)


async def test_what_stands_where_no_record_asks_for_it_is_taken_out(filled: FilledStore) -> None:
    p = filled.partitions[0]
    before = await places(filled)
    stray = ids.DeliveryKey(5, 5, 0, 3).packed()
    await filled.redis.zadd(p.open, {stray: 5})
    await filled.redis.zadd(p.due, {stray: 5})
    await filled.redis.zadd(p.lane(3), {stray: 5})
    await filled.redis.sadd(p.lanes, 3)
    assert await differs(filled)
    await rebuilt(filled)
    assert await places(filled) == before
    assert not await filled.redis.exists(p.lane(3))


async def test_who_stands_in_line_without_a_record_or_with_another_is_taken_out(filled: FilledStore) -> None:
    p = filled.partitions[0]
    before = await places(filled)
    member, _ = before["order"][0]
    (chain_id, key) = schedule.unpack_member(member, 0)
    strays = [
        member[:8] + bytes(10) + member[18:],
        member[:4] + (chain_id.chain + 1).to_bytes(4, "big") + member[8:],
        (9).to_bytes(4, "big") + (3).to_bytes(4, "big") + member[8:],
    ]
    await filled.redis.zadd(p.order, dict.fromkeys(strays, 0))
    assert await schedule.chain_heads(filled.redis, p, [chain_id]) != [key], "it would keep the others for ever"
    assert await differs(filled)
    assert await rebuilt(filled) == 3
    assert await places(filled) == before
    assert not await differs(filled)


async def test_a_wrong_time_is_put_right(filled: FilledStore) -> None:
    before = await places(filled)
    member, _ = before["due"][0]
    await filled.redis.zadd(filled.partitions[0].due, {member: 7})
    assert await rebuilt(filled) == 1
    assert await places(filled) == before


async def test_only_the_owner_rebuilds(filled: FilledStore) -> None:
    await filled.redis.delete(filled.partitions[0].open)
    with pytest.raises(rebuild.LeaseLost):
        await rebuild.rebuild(filled.redis, filled.partitions[0], "former", no_pulse)
    assert not await filled.redis.exists(filled.partitions[0].open)


async def test_the_pulse_is_felt_between_the_chunks(filled: FilledStore) -> None:
    beats = 0

    async def pulse() -> None:
        nonlocal beats
        beats += 1

    await rebuild.rebuild(filled.redis, filled.partitions[0], filled.tokens[0], pulse)
    assert beats >= 5


async def test_what_retention_removed_and_what_it_kept_is_no_difference(filled: FilledStore) -> None:
    p = filled.partitions[0]
    cut = retention.Cut(LATER, early=True)
    while await retention.trim(filled.redis, p, 4, filled.tokens[0], cut, ()):
        pass
    assert not await differs(filled)
    before = await places(filled)
    await filled.redis.delete(p.open, p.dead, p.due, p.lanes)
    assert await differs(filled)
    await rebuilt(filled)
    assert await places(filled) == before


async def test_lanes_are_found_again_after_a_rebuild(filled: FilledStore) -> None:
    p = filled.partitions[0]
    await filled.redis.delete(p.lanes, p.lane(1), p.lane(4), p.lane(5))
    assert await schedule.lane_sizes(filled.redis, filled.partitions[0]) == {}
    await rebuilt(filled)
    assert await schedule.lane_sizes(filled.redis, filled.partitions[0]) == {1: 40, 4: 40, 5: 40}


async def test_deliveries_that_are_settled_meanwhile_are_neither_disturbed_nor_undone(filled: FilledStore) -> None:
    done = asyncio.Event()

    async def load() -> None:
        while not done.is_set():
            address = await filled.publish(0)
            key = ids.DeliveryKey(*address, 1)
            await filled.settle(address, {1: RECORDS[0]})
            await filled.change(key, RECORDS[0], RECORDS[2])
            await filled.change(key, RECORDS[2], RECORDS[4])

    async def mend() -> None:
        for names in KEYS.values():
            assert not await differs(filled)
            await filled.redis.delete(*names(filled.partitions[0]))
            await rebuilt(filled)
        done.set()

    await asyncio.gather(load(), mend())
    assert not await differs(filled)
    assert (await ledger.recount(filled.redis, filled.partitions)).balanced
