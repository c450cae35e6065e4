"""Lanes, due times, chains and the sets of open and dead deliveries, made again from the records.

They are derived: settle.lua changes them together with a record, so they can only differ when a key was deleted or
the store was meddled with. The counters of the ledger tell that they do: every open record is in `open`, and either
in `due` or in a lane, or held for its order; every one with a chain number is in `order`; every dead one that retention
left is in `dead`.

Rebuilding goes through all records and through all places, a chunk at a time, each chunk in one script under the token:
what settle.lua does meanwhile is neither disturbed nor undone.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import OPEN_STATES, State
from gateway.store import deliveries, errors, keys, ledger, schedule, scripts

CHUNK = 128
TRIES = 3
_PLACED = frozenset({*OPEN_STATES, State.DEAD})
Pulse = Callable[[], Awaitable[None]]


class Places(NamedTuple):
    """How many deliveries are in each kind of place."""

    open: int
    waiting: int
    chained: int
    dead: int


class _Found(NamedTuple):
    """A delivery to be looked at, and the chain that it stands in, if it was found there."""

    key: ids.DeliveryKey
    chain: int = 0


class LeaseLost(errors.StoreError):
    """The partition is in other hands; what was put in place until then is right."""

    code = "lease_lost"


async def differs(redis: Redis, partition: keys.PartitionKeys) -> bool:
    """Whether counters and places contradict each other. Exact, also while deliveries are settled."""
    counted, found = await compare(redis, partition)
    return counted != found


async def compare(redis: Redis, partition: keys.PartitionKeys) -> tuple[Places, Places]:
    """(What the counters say, what is there); `waiting` are those in `due` and in lanes."""
    for _ in range(TRIES):
        members: Any = await redis.smembers(partition.lanes)
        pipeline = redis.pipeline(transaction=True)
        pipeline.smembers(partition.lanes)
        pipeline.hgetall(partition.counters)
        pipeline.hgetall(partition.trimmed)
        for name in (partition.open, partition.dead, partition.order, partition.due, *_lanes(partition, members)):
            pipeline.zcard(name)
        lanes, counters, trimmed, *sizes = await pipeline.execute()
        if lanes == members:
            break
    total, gone = ledger.total(counters), ledger.total(trimmed)
    unended = total["pending"] + total["scheduled"] + total["held"]
    waiting = unended - total.get("held_order", 0)
    counted = Places(unended, waiting, total.get("chained", 0), total["dead"] - gone["dead"])
    return counted, Places(sizes[0], sum(sizes[3:]), sizes[2], sizes[1])


async def rebuild(redis: Redis, partition: keys.PartitionKeys, token: str, pulse: Pulse) -> int:
    """Put everything in its place; how many places were changed. `pulse` is awaited after each chunk.

    Raises LeaseLost.
    """
    changed = 0
    for source in (_recorded(redis, partition), _placed(redis, partition), _in_line(redis, partition)):
        async for chunk in _chunks(source):
            changed += await _put(redis, partition, token, chunk)
            await pulse()
    return changed


async def _put(redis: Redis, partition: keys.PartitionKeys, token: str, chunk: Iterable[_Found]) -> int:
    names = [partition.lease, partition.open, partition.dead, partition.due, partition.lanes, partition.order]
    positions: dict[str, int] = {}
    args: list[scripts.Argument] = [token]
    for key, chain in chunk:
        args.append(key.packed())
        for name in (partition.records(key.minute), partition.lane(key.endpoint)):
            if name not in positions:
                names.append(name)
                positions[name] = len(names)
            args.append(positions[name])
        args.append(chain)
    changed = int(await scripts.load("place")(redis, names, args))
    if changed < 0:
        raise LeaseLost(f"partition {partition.number} was taken by another dispatcher")
    return changed


async def _recorded(redis: Redis, partition: keys.PartitionKeys) -> AsyncIterator[_Found]:
    """Every delivery whose record asks for a place."""
    for minute in await _minutes(redis, partition):
        async for field, record in redis.hscan_iter(partition.records(minute), count=1_000):
            if record[0] in _PLACED:
                yield _Found(ids.unpack_key(field, partition.number))


async def _minutes(redis: Redis, partition: keys.PartitionKeys) -> list[int]:
    """The minutes of acceptance that may have records, by the events alone: the places are what is in doubt."""
    found: set[int] = set()
    for name in (partition.kept, partition.late):
        fields: Any = await redis.hkeys(name)
        found |= {ids.parse_stream_id(stream_id)[0] // ids.MINUTE_MS for stream_id in fields}
    ends = [
        await scripts.load("scan")(redis, [partition.log, partition.log], (direction, *bounds, 1))
        for direction, *bounds in (("asc", "-", "+"), ("desc", "+", "-"))
    ]
    minutes = [ids.parse_stream_id(rows[1])[0] // ids.MINUTE_MS for rows in ends if len(rows) > 1]
    found.update(range(min(minutes), max(minutes) + 1) if minutes else ())
    return await deliveries.with_records(redis, partition, sorted(found))


async def _placed(redis: Redis, partition: keys.PartitionKeys) -> AsyncIterator[_Found]:
    """Every delivery that is somewhere, but for chains."""
    members: Any = await redis.smembers(partition.lanes)
    for name in (partition.open, partition.dead, partition.due, *_lanes(partition, members)):
        async for field, _ in redis.zscan_iter(name, count=1_000):
            yield _Found(ids.unpack_key(field, partition.number))


async def _in_line(redis: Redis, partition: keys.PartitionKeys) -> AsyncIterator[_Found]:
    """Every delivery that stands in a chain: the first would keep the others for ever, had it no record."""
    async for member, _ in redis.zscan_iter(partition.order, count=1_000):
        chain_id, key = schedule.unpack_member(member, partition.number)
        yield _Found(key, chain_id.chain)


def _lanes(partition: keys.PartitionKeys, members: Iterable[bytes]) -> list[str]:
    return [partition.lane(int(number)) for number in sorted(members)]


async def _chunks(source: AsyncIterator[_Found]) -> AsyncIterator[list[_Found]]:
    chunk: list[_Found] = []
    async for key in source:
        chunk.append(key)
        if len(chunk) >= CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
