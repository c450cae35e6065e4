"""How the store and its partitions do at one moment: what `/metrics` shows and `hookline doctor` explains.

Read in few round trips, whatever is kept. `hours_until_full` is a forecast: the room that is left, at the rate at which
events came in the last hour and with the bytes that an event takes now. Retention, which removes, makes it later.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import breakers, connection, durability, filter_errors, ledger
from gateway.store.breakers import Breaker
from gateway.store.keys import PartitionKeys

FULL_SHARE = 0.90
"""From this share of its memory on, events are refused."""
_HOUR_SECONDS = 3_600
_MINIMUM_SPAN_SECONDS = 60


class Partition(NamedTuple):
    """What was read of one partition: its counters by `hour:name`, the entries of its log, the lag, attempt times.

    `lag_seconds` is the age of the oldest event whose fan-out is not recorded, 0 if there is none; `late_seconds` how
    long the earliest retry is overdue.
    """

    number: int
    counters: Mapping[bytes, bytes]
    entries: int
    lag_seconds: float
    timing: Mapping[bytes, bytes]
    late_seconds: float = 0.0

    @property
    def totals(self) -> ledger.Totals:
        """The counters over all hours."""
        return ledger.total(self.counters)


class Snapshot(NamedTuple):
    """Everything that was read; `now_ms` is store time, `empty_bytes` the memory of the store without any data.

    `breakers` are the open ones by endpoint number, `filters` those without an answer.
    """

    now_ms: int
    memory: durability.Memory
    empty_bytes: int
    partitions: Sequence[Partition]
    breakers: Mapping[int, Breaker] = {}
    filters: filter_errors.Totals = filter_errors.Totals(0, 0)

    @property
    def totals(self) -> ledger.Totals:
        """The counters over all hours and partitions."""
        return ledger.add(partition.totals for partition in self.partitions)


async def take(redis: Redis, partitions: Sequence[PartitionKeys]) -> Snapshot:
    """Read it. Raises redis errors."""
    now_ms = await connection.store_ms(redis)
    memory = await durability.memory(redis)
    info: Any = await redis.info("memory")
    found = [Partition(keys.number, *row) for keys, row in zip(partitions, await _rows(redis, partitions), strict=True)]
    lags = await _lags(redis, partitions, now_ms)
    late = await _late(redis, partitions, now_ms)
    measured = [
        partition._replace(lag_seconds=lag, late_seconds=overdue)
        for partition, lag, overdue in zip(found, lags, late, strict=True)
    ]
    empty = int(info.get("used_memory_startup", 0))
    return Snapshot(now_ms, memory, empty, measured, await breakers.read(redis), await filter_errors.totals(redis))


async def _rows(redis: Redis, partitions: Sequence[PartitionKeys]) -> list[tuple[Any, ...]]:
    pipeline = redis.pipeline(transaction=False)
    for keys in partitions:
        pipeline.hgetall(keys.counters)
        pipeline.xlen(keys.log)
        pipeline.hgetall(keys.timing)
    rows = await pipeline.execute()
    return [(rows[at], rows[at + 1], 0.0, rows[at + 2]) for at in range(0, len(rows), 3)]


async def _lags(redis: Redis, partitions: Sequence[PartitionKeys], now_ms: int) -> list[float]:
    pipeline = redis.pipeline(transaction=False)
    for keys in partitions:
        pipeline.get(keys.recorded)
    marks = await pipeline.execute()
    for keys, mark in zip(partitions, marks, strict=True):
        pipeline.xrange(keys.log, b"(" + mark if mark else b"-", b"+", count=1)
    firsts = [ids.parse_stream_id(entries[0][0])[0] if entries else now_ms for entries in await pipeline.execute()]
    return [max(now_ms - first_ms, 0) / 1_000 for first_ms in firsts]


async def _late(redis: Redis, partitions: Sequence[PartitionKeys], now_ms: int) -> list[float]:
    pipeline = redis.pipeline(transaction=False)
    for keys in partitions:
        pipeline.zrange(keys.due, 0, 0, withscores=True)
    rows = await pipeline.execute()
    return [max(now_ms - row[0][1], 0) / 1_000 if row else 0.0 for row in rows]


def hours_until_full(snapshot: Snapshot) -> float:
    """Hours until events are refused if they go on coming as in the last hour and nothing is removed; inf if never.

    Bytes per event are those of the store as it is.
    """
    entries = sum(partition.entries for partition in snapshot.partitions)
    per_second = accepted_per_second(snapshot)
    if not snapshot.memory.limit or not entries or not per_second:
        return math.inf
    room = max(snapshot.memory.limit * FULL_SHARE - snapshot.memory.used, 0)
    per_event = max(snapshot.memory.used - snapshot.empty_bytes, 1) / entries
    return room / (per_event * per_second) / _HOUR_SECONDS


def accepted_per_second(snapshot: Snapshot) -> float:
    """Over the running hour, and over the one before as long as the running one is young."""
    hour, into_ms = divmod(snapshot.now_ms, ids.HOUR_MS)
    current = before = 0
    for partition in snapshot.partitions:
        current += int(partition.counters.get(b"%d:accepted" % hour, 0))
        before += int(partition.counters.get(b"%d:accepted" % (hour - 1), 0))
    if before:
        return (current + before) / (_HOUR_SECONDS + into_ms / 1_000)
    return current / max(into_ms / 1_000, _MINIMUM_SPAN_SECONDS)
