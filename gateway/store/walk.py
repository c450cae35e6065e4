"""Walks: one ordered list out of many ordered pieces, with bounded work.

A list of the API lies in pieces: an index per partition, often several. Every piece is a `Source` that answers in
chunks, one script call each; a `Walk` merges them in the total order (milliseconds, sequence, partition, ...) and asks
again, in one round trip, for the pieces that ran dry. What was looked at is paid from a budget, so that a filter which
matches nothing costs no more than `BUDGET` entries a request: the page is then short and its cursor goes on from there.

A position is never stored: what is written meanwhile shifts nothing. A descending list sees no newer items on later
pages. An ascending list ends before the `frontier`, behind which nothing can still appear; hence a tail misses nothing.
"""

import heapq
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from redis.asyncio import Redis

from gateway.store import scripts

BUDGET = 5_000
BATCH = 256
MAX_SOURCES = 256
_SMALLEST_CHUNK = 8

Position = tuple[int, ...]
Bound = tuple[int, int]
BEGIN: Bound = (0, 0)
END: Bound = (0xFFFF_FFFF_FFFF, 0xFFFF_FFFF)
Call = tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]
T = TypeVar("T")
U = TypeVar("U")


class Span(NamedTuple):
    """Which part of the order, and in which direction.

    `since` (inclusive) and `until` (exclusive) are (ms, seq); `after` is the position that the caller has reached.
    """

    since: Bound = BEGIN
    until: Bound = END
    after: Position | None = None
    ascending: bool = False

    def holds(self, position: Position) -> bool:
        """Whether the position lies in the span and the caller has not passed it."""
        if not self.since <= position[:2] < self.until:
            return False
        if self.after is None:
            return True
        return position > self.after if self.ascending else position < self.after

    def left_behind(self, position: Position) -> bool:
        """Whether a walk that has come to this position is out of the span for good."""
        return position[:2] >= self.until if self.ascending else position[:2] < self.since


def stream_range(span: Span, resume: bytes) -> tuple[str, bytes | str, str]:
    """Direction, begin and end of the span as XRANGE or XREVRANGE takes them.

    The begin includes the entry of `after`: what of it the caller has is dropped by position.
    """
    # "(0-0" is an error as an end
    high = max(span.until, (0, 1))
    above = "+" if high >= END else f"({high[0]}-{high[1]}"
    reached = span.after[:2] if span.after else None
    if span.ascending:
        low = max(span.since, reached or BEGIN)
        return "asc", b"(" + resume if resume else f"{low[0]}-{low[1]}", above
    if reached and reached < high:
        above = f"{reached[0]}-{reached[1]}"
    return "desc", b"(" + resume if resume else above, f"{span.since[0]}-{span.since[1]}"


class Entry(NamedTuple, Generic[T]):
    """One entry of a source; `value` is None for one that no longer leads anywhere. `cost` is taken from the budget."""

    position: Position
    value: T | None
    cost: int = 1


class Chunk(NamedTuple, Generic[T]):
    """The answer of a source: entries in order, where to resume, and whether that was all."""

    entries: list[Entry[T]]
    resume: bytes
    ended: bool


class Source(Protocol[T]):
    """An ordered piece of a list."""

    def call(self, span: Span, resume: bytes, count: int) -> Call:
        """The script call for at most `count` entries after `resume`, which is b'' at the start."""
        ...

    def read(self, answer: Any) -> Chunk[T]:
        """The answer of that call, which may be cut short and may go beyond the span."""
        ...


class Entries(Protocol[T]):
    """Something that hands out entries in order."""

    span: Span

    @property
    def ended(self) -> bool:
        """Whether everything was handed out."""
        ...

    async def batch(self) -> list[Entry[T]]:
        """The next entries; [] at the end, or when the budget is spent."""
        ...


class _Feed(Generic[T]):
    def __init__(self, source: Source[T], count: int) -> None:
        self.source, self.count = source, count
        self.entries: deque[Entry[T]] = deque()
        self.resume, self.ended = b"", False

    @property
    def dry(self) -> bool:
        return not self.entries and not self.ended


class Walk(Generic[T]):
    """A merge of sources over one span; a position that several sources have comes once.

    `expected` is how many entries the caller hopes to need.
    """

    def __init__(self, redis: Redis, sources: Sequence[Source[T]], span: Span, expected: int) -> None:
        self._redis = redis
        self.span = span
        count = min(max(2 * expected // max(len(sources), 1), _SMALLEST_CHUNK), BATCH)
        self._feeds = [_Feed(source, count) for source in sources]
        self._heap: list[tuple[Position, int]] = []
        self._left = BUDGET
        self._last: Position | None = None

    @property
    def ended(self) -> bool:
        """Whether every source was read to its end and handed out."""
        return not any(feed.entries or not feed.ended for feed in self._feeds)

    async def batch(self) -> list[Entry[T]]:
        """The next entries in order, at most `BATCH`; [] at the end, or when the budget is spent."""
        found: list[Entry[T]] = []
        while not found and self._left > 0 and not self.ended:
            await self._refill()
            found = self._drain()
        self._left -= sum(entry.cost for entry in found)
        return found

    async def _refill(self) -> None:
        dry = [number for number, feed in enumerate(self._feeds) if feed.dry]
        while dry:
            feeds = [self._feeds[number] for number in dry]
            calls = [feed.source.call(self.span, feed.resume, feed.count) for feed in feeds]
            for feed, answer in zip(feeds, await scripts.run_all(self._redis, calls), strict=True):
                if isinstance(answer, BaseException):
                    raise answer
                self._fill(feed, answer)
            for number in dry:
                self._push(number)
            dry = [number for number in dry if self._feeds[number].dry]

    def _fill(self, feed: _Feed[T], answer: Any) -> None:
        chunk = feed.source.read(answer)
        feed.entries.extend(entry for entry in chunk.entries if self.span.holds(entry.position))
        feed.resume, feed.ended = chunk.resume, chunk.ended or self.span.left_behind(chunk.entries[-1].position)
        feed.count = min(2 * feed.count, BATCH)

    def _push(self, number: int) -> None:
        entries = self._feeds[number].entries
        if entries:
            position = entries[0].position
            heapq.heappush(self._heap, (position if self.span.ascending else tuple(-n for n in position), number))

    def _drain(self) -> list[Entry[T]]:
        found: list[Entry[T]] = []
        while self._heap and len(found) < BATCH:
            _, number = heapq.heappop(self._heap)
            feed = self._feeds[number]
            entry = feed.entries.popleft()
            if entry.position != self._last:
                found.append(entry)
            self._last = entry.position
            self._push(number)
            if feed.dry:
                break
        return found


class Listed(Generic[T]):
    """Entries that are known already, handed out like a walk."""

    def __init__(self, entries: Sequence[Entry[T]], span: Span) -> None:
        self.span = span
        inside = (entry for entry in entries if span.holds(entry.position))
        self._left = deque(sorted(inside, key=lambda entry: entry.position, reverse=not span.ascending))

    @property
    def ended(self) -> bool:
        """Whether everything was handed out."""
        return not self._left

    async def batch(self) -> list[Entry[T]]:
        """The next entries in order, at most `BATCH`."""
        return [self._left.popleft() for _ in range(min(BATCH, len(self._left)))]


class Found(NamedTuple, Generic[U]):
    """A page: items in order, and the position to go on from; None where the list ends."""

    items: list[U]
    next: Position | None


async def collect(
    entries: Entries[T], limit: int, keep: Callable[[list[Entry[T]]], Awaitable[list[tuple[Position, U]]]]
) -> Found[U]:
    """The first `limit` items that `keep` makes of the entries; it drops what the caller did not ask for.

    One item more is looked for, so that a descending list ends with None exactly. An ascending page that has items
    always has a position to go on from.
    """
    items: list[tuple[Position, U]] = []
    last: Position | None = None
    while len(items) <= limit:
        batch = await entries.batch()
        if not batch:
            break
        last = batch[-1].position
        items += await keep(batch)
    kept = [item for _, item in items[:limit]]
    if len(items) > limit:
        return Found(kept, items[limit - 1][0])
    if not entries.ended:
        return Found(kept, last)
    return Found(kept, items[-1][0] if entries.span.ascending and items else None)
