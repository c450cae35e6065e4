"""Lists of events: which index serves a filter, and what is shown of an event without its payload.

| filter | read from |
|---|---|
| `matched=none` | `unmatched` |
| `subject` | the subject's bucket |
| one event type | that type's index |
| a pattern | the indexes of the types that it selects, merged; the log if they are very many |
| otherwise | the log |

What an index does not decide is decided on the header. A payload leaves the store only when it is asked for by address.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
from redis.asyncio import Redis

from gateway import ids
from gateway.model import event as events
from gateway.store import connection, keys, log, scripts, walk
from receivers import patterns

MAX_TYPES = 1_000
_LOOK_AT_ONCE = 256
_BYTES_PER_COST = 16_384


class Header(NamedTuple):
    """An event without its payload, and how many bytes that has."""

    event: events.Event
    data_bytes: int


class Looked(NamedTuple):
    """An event looked up by address; `header` None when it is gone, `matched` None while it is unread."""

    header: Header | None
    matched: int | None


class EventFilter(msgspec.Struct, frozen=True):
    """What a list of events is narrowed to; None means any. `type` is a pattern."""

    type: str | None = None
    subject: str | None = None
    source: str | None = None
    subscriber: str | None = None
    unmatched: bool = False

    def admits(self, event: events.Event) -> bool:
        """Whether the event belongs to the list; `unmatched` is left to the index."""
        if self.type is not None and not patterns.matches(self.type, event.type):
            return False
        wanted = ((self.subject, event.subject), (self.source, event.source), (self.subscriber, event.subscriber))
        return all(asked is None or asked == has for asked, has in wanted)


class EventSource:
    """The log of a partition, or one of its indexes, as a piece of a list."""

    def __init__(self, partition: keys.PartitionKeys, index: str | None = None) -> None:
        self._number = partition.number
        self._keys = [partition.log, index or partition.log]

    def call(self, span: walk.Span, resume: bytes, count: int) -> walk.Call:
        """One call of scan.lua."""
        return scripts.load("scan"), self._keys, (*walk.stream_range(span, resume), count)

    def read(self, answer: Any) -> walk.Chunk[Header]:
        """Headers by address; an entry that is gone or no event has none."""
        entries = []
        for stream_id, header, size in zip(answer[1::3], answer[2::3], answer[3::3], strict=True):
            address = ids.Address(*ids.parse_stream_id(stream_id), self._number)
            cost = 1 + int(size) // _BYTES_PER_COST
            entries.append(walk.Entry(address, read_header(address, header, int(size)), cost))
        return walk.Chunk(entries, answer[-3] if entries else b"", answer[0] == b"0")


def read_header(address: ids.Address, header: bytes, size: int) -> Header | None:
    """The header as it came from scan.lua or look.lua; None for '' and for what is no event."""
    try:
        return Header(events.unpack(address, header, b""), size) if header else None
    except events.EventUnreadable:
        return None


async def frontier(redis: Redis, partitions: Sequence[keys.PartitionKeys], *, recorded: bool) -> walk.Bound:
    """The (ms, seq) before which nothing can still appear, for lists in ascending order.

    Taken from the store's clock before the first read, minus 1 ms: an event accepted later gets a later id. With
    `recorded`, for lists of what the owners write behind their marks, it also lies before every unread event.
    """
    bound = (max(await connection.store_ms(redis) - 1, 0), 0)
    if not recorded:
        return bound
    script = scripts.load("frontier")
    for answer in await scripts.run_all(redis, [(script, [p.log, p.recorded], ()) for p in partitions]):
        if isinstance(answer, BaseException):
            raise answer
        if answer is not None:
            bound = min(bound, ids.parse_stream_id(answer))
    return bound


async def open_walk(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], wanted: EventFilter, span: walk.Span, limit: int
) -> walk.Walk[Header]:
    """The walk over the best index for a filter. An ascending one ends before the frontier."""
    if span.ascending:
        bound = await frontier(redis, partitions, recorded=wanted.unmatched)
        span = span._replace(until=min(span.until, bound))
    return walk.Walk(redis, await _sources(redis, partitions, wanted), span, limit)


async def page(entries: walk.Entries[Header], wanted: EventFilter, limit: int) -> walk.Found[Header]:
    """The first `limit` events of a walk that the filter admits."""

    async def keep(batch: list[walk.Entry[Header]]) -> list[tuple[walk.Position, Header]]:
        return [(e.position, e.value) for e in batch if e.value is not None and wanted.admits(e.value.event)]

    return await walk.collect(entries, limit, keep)


async def _sources(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], wanted: EventFilter
) -> list[walk.Source[Header]]:
    if wanted.unmatched:
        return [EventSource(p, p.unmatched) for p in partitions]
    if wanted.subject is not None:
        bucket = log.subject_bucket(wanted.subject)
        return [EventSource(p, p.subject_index(bucket)) for p in partitions]
    if wanted.type is None or wanted.type == patterns.EVERYTHING:
        return [EventSource(p) for p in partitions]
    if patterns.is_event_type(wanted.type):
        return [EventSource(p, p.type_index(wanted.type)) for p in partitions]
    return await _sources_by_pattern(redis, partitions, wanted.type)


async def _sources_by_pattern(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], pattern: str
) -> list[walk.Source[Header]]:
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.scard(partition.types)
    if max(await pipeline.execute(), default=0) > MAX_TYPES:
        return [EventSource(p) for p in partitions]
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.smembers(partition.types)
    sources: list[walk.Source[Header]] = []
    for partition, types in zip(partitions, await pipeline.execute(), strict=True):
        chosen = (name for name in (raw.decode() for raw in types) if patterns.matches(pattern, name))
        sources += [EventSource(partition, partition.type_index(name)) for name in chosen]
    return sources if len(sources) <= walk.MAX_SOURCES else [EventSource(p) for p in partitions]


async def look_up(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], addresses: Iterable[ids.Address]
) -> dict[ids.Address, Looked]:
    """Events by address without their payloads, also those that only `kept` has; one round trip for small ones."""
    found: dict[ids.Address, Looked] = {}
    left: dict[int, list[ids.Address]] = {}
    for address in dict.fromkeys(addresses):
        left.setdefault(address.partition, []).append(address)
    while left:
        calls = [(partitions[number], some[:_LOOK_AT_ONCE]) for number, some in left.items()]
        answers = await scripts.run_all(redis, [_look(partition, some) for partition, some in calls])
        for (partition, some), answer in zip(calls, answers, strict=True):
            if isinstance(answer, BaseException):
                raise answer
            rows = list(zip(answer[0::3], answer[1::3], answer[2::3], strict=True))
            for address, (header, size, matched) in zip(some, rows, strict=False):
                found[address] = Looked(read_header(address, header, size), matched if matched >= 0 else None)
            left[partition.number] = left[partition.number][len(rows) :]
        left = {number: some for number, some in left.items() if some}
    return found


def _look(partition: keys.PartitionKeys, addresses: Sequence[ids.Address]) -> walk.Call:
    names = [partition.log, partition.kept, partition.fanned]
    return scripts.load("look"), names, [address.stream_id for address in addresses]
