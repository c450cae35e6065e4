"""Lists of deliveries: which index serves a filter, and the records behind its entries.

| filter | read from |
|---|---|
| `event` | that event's entry, see `of_event` |
| `status` pending, scheduled, held | `open` |
| `status` dead | `dead` |
| `endpoint`, `subscriber` | the indexes of those endpoints and of their late deliveries; `fanned` if they are many |
| otherwise | `fanned` with the late deliveries of each event, and `open` and `dead` for what retention left of others |

What an index does not decide is decided on the record, and then on the event's header. A delivery has its place by the
acceptance of its event, also one that a replay makes later. It is listed once it is open or dead, or once its event is
behind the recorded mark.
"""

import struct
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.store import event_list, keys, scripts, walk
from receivers import patterns

_PREFIX = struct.Struct(">HII")
_LATE = struct.Struct(">II")
_AFTER_EVERY_KEY = b"\xff" * 9


class Item(NamedTuple):
    """A delivery of a list; `header` None when its event is gone."""

    key: ids.DeliveryKey
    record: model.Record
    header: event_list.Header | None


class DeliveryFilter(msgspec.Struct, frozen=True):
    """What a list of deliveries is narrowed to; None means any. `type` is a pattern, `endpoints` are numbers."""

    endpoints: frozenset[int] | None = None
    type: str | None = None
    state: model.State | None = None
    reason: model.Reason | None = None
    response_status: int | None = None
    error: model.AttemptError | None = None

    def admits(self, key: ids.DeliveryKey, record: model.Record) -> bool:
        """Whether key and record belong to the list; `type` needs the header."""
        if self.endpoints is not None and key.endpoint not in self.endpoints:
            return False
        wanted = (
            (self.state, record.state),
            (self.reason, record.reason),
            (self.response_status, record.status),
            (self.error, record.error),
        )
        return all(asked is None or asked == has for asked, has in wanted)


class FannedSource:
    """All deliveries of a partition by event."""

    def __init__(self, partition: keys.PartitionKeys, ascending: bool) -> None:
        self._number, self._keys = partition.number, [partition.fanned, partition.late]
        self._ascending = ascending

    def call(self, span: walk.Span, resume: bytes, count: int) -> walk.Call:
        """One call of scan_stream.lua."""
        return scripts.load("scan_stream"), self._keys, (*walk.stream_range(span, resume), count)

    def read(self, answer: Any) -> walk.Chunk[ids.DeliveryKey]:
        """One entry per delivery; an event without any has one entry that leads nowhere."""
        entries: list[walk.Entry[ids.DeliveryKey]] = []
        for stream_id, packed, late in zip(answer[1::3], answer[2::3], answer[3::3], strict=True):
            address = ids.Address(*ids.parse_stream_id(stream_id), self._number)
            found = sorted(expand(address, packed, late), reverse=not self._ascending)
            entries += [walk.Entry(key, key) for key in found]
            if not found:
                entries.append(walk.Entry(ids.DeliveryKey(*address, 0), None))
        return walk.Chunk(entries, answer[-3] if entries else b"", answer[0] == b"0")


class EndpointSource:
    """The deliveries of one endpoint in one partition, as they were made in live order."""

    def __init__(self, partition: keys.PartitionKeys, endpoint: int) -> None:
        self._number, self._endpoint = partition.number, endpoint
        self._keys = [partition.endpoint_index(endpoint)]

    def call(self, span: walk.Span, resume: bytes, count: int) -> walk.Call:
        """One call of scan_stream.lua."""
        return scripts.load("scan_stream"), self._keys, (*walk.stream_range(span, resume), count)

    def read(self, answer: Any) -> walk.Chunk[ids.DeliveryKey]:
        """One entry per event."""
        found = [
            ids.DeliveryKey(*ids.parse_stream_id(stream_id), self._number, self._endpoint) for stream_id in answer[1::3]
        ]
        return walk.Chunk([walk.Entry(key, key) for key in found], answer[-3] if found else b"", answer[0] == b"0")


class SortedSource:
    """A sorted set of packed delivery keys by acceptance: `open`, `dead`, or the late ones of an endpoint."""

    def __init__(self, partition: keys.PartitionKeys, key: str) -> None:
        self._number, self._keys = partition.number, [key]

    def call(self, span: walk.Span, resume: bytes, count: int) -> walk.Call:
        """One call of scan_zset.lua."""
        begin = resume or _begin(span, self._number)
        return scripts.load("scan_zset"), self._keys, ("asc" if span.ascending else "desc", begin, count)

    def read(self, answer: Any) -> walk.Chunk[ids.DeliveryKey]:
        """One entry per member."""
        found = [ids.unpack_key(packed, self._number) for packed in answer[1:]]
        return walk.Chunk([walk.Entry(key, key) for key in found], answer[-1] if found else b"", answer[0] == b"0")


def _begin(span: walk.Span, number: int) -> bytes:
    """The bytes after which a partition's keys of the span begin; none of them is itself in it."""
    bound = _PREFIX.pack(*_split(span.since if span.ascending else span.until))
    if span.after is None:
        return bound
    after = ids.DeliveryKey(*span.after)
    begin = after.packed()
    if number != after.partition:
        begin = _PREFIX.pack(*_split(after[:2])) + (_AFTER_EVERY_KEY if number < after.partition else b"")
    return max(bound, begin) if span.ascending else min(bound, begin)


def _split(bound: tuple[int, ...]) -> tuple[int, int, int]:
    return bound[0] >> 32, bound[0] & 0xFFFF_FFFF, bound[1]


def expand(address: ids.Address, packed: bytes, late: bytes) -> set[ids.DeliveryKey]:
    """The deliveries of an event from its `fanned` field (numbers, >I) and its `late` value (endpoint, run, >II)."""
    numbers = struct.unpack(f">{len(packed) // 4}I", packed)
    found = {ids.DeliveryKey(*address, number) for number in numbers}
    return found | {ids.DeliveryKey(*address, number, run) for number, run in _LATE.iter_unpack(late)}


async def of_event(
    redis: Redis, partition: keys.PartitionKeys, address: ids.Address, candidates: Iterable[int]
) -> list[ids.DeliveryKey]:
    """The deliveries of one event, in order. While it is unread: those of the candidates that may have a record."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.xrange(partition.fanned, address.stream_id, address.stream_id)
    pipeline.hget(partition.late, address.stream_id)
    fanned, late = await pipeline.execute()
    found = expand(address, fanned[0][1][b"e"] if fanned else b"", late or b"")
    if not fanned:
        found |= {ids.DeliveryKey(*address, number) for number in candidates}
    return sorted(found)


async def read_records(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], wanted: Sequence[ids.DeliveryKey]
) -> list[model.Record | None]:
    """Records in the order asked, one round trip, whatever partitions they are in."""
    buckets: dict[tuple[int, int], list[ids.DeliveryKey]] = {}
    for key in wanted:
        buckets.setdefault((key.partition, key.minute), []).append(key)
    pipeline = redis.pipeline(transaction=False)
    for (number, minute), some in buckets.items():
        pipeline.hmget(partitions[number].records(minute), [key.packed() for key in some])
    found: dict[ids.DeliveryKey, bytes | None] = {}
    for some, values in zip(buckets.values(), await pipeline.execute() if buckets else [], strict=True):
        found.update(zip(some, values, strict=True))
    rows = [found[key] for key in wanted]
    return [model.unpack_record(row) if row else None for row in rows]


async def open_walk(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], wanted: DeliveryFilter, span: walk.Span, limit: int
) -> walk.Walk[ids.DeliveryKey]:
    """The walk over the best index for a filter. An ascending one ends before the frontier."""
    if span.ascending:
        bound = await event_list.frontier(redis, partitions, recorded=True)
        span = span._replace(until=min(span.until, bound))
    return walk.Walk(redis, _sources(partitions, wanted, span.ascending), span, limit)


def _sources(
    partitions: Sequence[keys.PartitionKeys], wanted: DeliveryFilter, ascending: bool
) -> list[walk.Source[ids.DeliveryKey]]:
    if wanted.state in model.OPEN_STATES:
        return [SortedSource(p, p.open) for p in partitions]
    if wanted.state is model.State.DEAD:
        return [SortedSource(p, p.dead) for p in partitions]
    sources: list[walk.Source[ids.DeliveryKey]] = []
    if wanted.endpoints is None or 2 * len(wanted.endpoints) * len(partitions) > walk.MAX_SOURCES:
        for partition in partitions:
            sources += [FannedSource(partition, ascending)]
            sources += [SortedSource(partition, key) for key in (partition.open, partition.dead)]
        return sources
    for partition in partitions:
        for number in wanted.endpoints:
            sources += (EndpointSource(partition, number), SortedSource(partition, partition.late_index(number)))
    return sources


async def page(
    redis: Redis,
    partitions: Sequence[keys.PartitionKeys],
    entries: walk.Entries[ids.DeliveryKey],
    wanted: DeliveryFilter,
    limit: int,
) -> walk.Found[Item]:
    """The first `limit` deliveries of a walk that have a record and that the filter admits."""

    async def keep(batch: list[walk.Entry[ids.DeliveryKey]]) -> list[tuple[walk.Position, Item]]:
        candidates = [entry.value for entry in batch if entry.value is not None]
        records = await read_records(redis, partitions, candidates)
        pairs = [(k, r) for k, r in zip(candidates, records, strict=True) if r is not None and wanted.admits(k, r)]
        items = await with_headers(redis, partitions, pairs)
        return [(item.key, item) for item in items if _has_type(item, wanted.type)]

    return await walk.collect(entries, limit, keep)


def _has_type(item: Item, pattern: str | None) -> bool:
    return pattern is None or (item.header is not None and patterns.matches(pattern, item.header.event.type))


async def with_headers(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], pairs: Collection[tuple[ids.DeliveryKey, model.Record]]
) -> list[Item]:
    """The same deliveries with the headers of their events."""
    looked = await event_list.look_up(redis, partitions, (key.address for key, _ in pairs))
    return [Item(key, record, looked[key.address].header) for key, record in pairs]
