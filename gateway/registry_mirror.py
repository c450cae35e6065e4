"""The registry in memory, following its change stream: what matching, the API's lists and explanations read.

    load: every endpoint in pages, aside, then put in place at once
    follow, refresh: one read of the change stream, then only the objects that it names

What was registered before `refresh` was called is known when it returns. A change costs its own size. A cursor outside
of the change stream means a full load. The memory is never half of one state and half of another for who reads it
between two awaits, but it may be older than the store until the next refresh.
"""

import asyncio
import bisect
import gc
import itertools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from gateway.clock import Clock
from gateway.matching import Index, OnFilterFailed
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store import changes, connection
from gateway.store.registry_reads import RegistryReader

FOLLOW_SECONDS = 1.0
ROW = 1_024
LARGE = 5_000
"""From so many endpoints on, what was loaded is kept out of the garbage collector, whose pauses grow with it."""
OnReplaced = Callable[[Endpoint], None]
"""Called with the value that an endpoint had, once it has another one or none."""
OnBreakers = Callable[[set[str] | None], Awaitable[None]]
"""Called with the numbers of the endpoints whose breaker changed, None for all; awaited before the cursor moves on."""
T = TypeVar("T", int, tuple[int, str])


class RegistryMirror:
    """All endpoints, by id, number, subscriber and pattern."""

    def __init__(
        self,
        registry: RegistryReader,
        on_replaced: OnReplaced | None = None,
        on_breakers: OnBreakers | None = None,
        on_filter_failed: OnFilterFailed | None = None,
    ) -> None:
        self._registry = registry
        self._on_replaced, self._on_breakers = on_replaced, on_breakers
        self._on_filter_failed = on_filter_failed
        self._all = _Endpoints(on_filter_failed)
        # one at a time: else an older value of an endpoint could be put over a newer one
        self._lock = asyncio.Lock()
        self.cursor = "0-0"
        self._asked = self._served = self._failed = 0
        self._failure: Exception | None = None

    async def load(self) -> None:
        """Read the whole registry. Raises redis errors, and what `on_breakers` raises; then nothing has moved on."""
        async with self._lock:
            await self._load()

    async def follow(self, cursor: str, reply: Sequence[Any] | None) -> None:
        """Apply the reply to `changes.command(cursor)`, and read on to the stream's end."""
        async with self._lock:
            moved = cursor != self.cursor
            await self._apply(
                await self._registry.changes_since(self.cursor) if moved else changes.parse(cursor, reply)
            )

    async def refresh(self) -> None:
        """Know everything that was registered before this call. Raises redis errors.

        Who waits while another one reads shares the next read, and its failure, so that a store that hangs is waited
        for twice at most.
        """
        self._asked += 1
        ticket = self._asked
        async with self._lock:
            if ticket <= self._served:
                return
            if self._failure is not None and ticket <= self._failed:
                raise self._failure.with_traceback(None)
            everyone = self._asked
            try:
                await self._apply(await self._registry.changes_since(self.cursor))
            except Exception as error:
                self._failed, self._failure = everyone, error
                raise
            self._served, self._failure = everyone, None

    async def keep_current(self, clock: Clock) -> None:
        """Follow for ever, through every outage of the store, so that nobody who asks has to load."""
        while True:
            try:
                await self.refresh()
            except Exception as error:
                if not connection.is_unavailable(error):
                    raise
            await clock.sleep(FOLLOW_SECONDS)

    async def _load(self) -> None:
        cursor = await self._registry.changes_tail()
        before, now = self._all, _Endpoints(self._on_filter_failed)
        replaced: list[Endpoint] = []
        async for page in self._registry.endpoint_pages():
            for endpoint in page:
                now.replace(endpoint.id, endpoint)
                old = before.by_number.get(endpoint.number)
                if old is not None and old != endpoint:
                    replaced.append(old)
            if len(now.by_number) > LARGE:
                gc.freeze()
        replaced += [old for number, old in before.by_number.items() if number not in now.by_number]
        self._all = now
        self._announce(replaced)
        if self._on_breakers is not None:
            await self._on_breakers(None)
        self.cursor = cursor

    async def _apply(self, found: changes.Changes) -> None:
        while True:
            if found.truncated:
                await self._load()
                return
            wanted = {change.id for change in found.changes if change.kind == "endpoint"}
            if wanted:
                endpoints = await self._registry.get_endpoints(wanted)
                self._announce(old for name in wanted if (old := self._all.replace(name, endpoints.get(name))))
            breakers = {change.id for change in found.changes if change.kind == "breaker"}
            if breakers and self._on_breakers is not None:
                await self._on_breakers(breakers)
            self.cursor = found.cursor
            if not found.more:
                return
            found = await self._registry.changes_since(self.cursor)

    def _announce(self, replaced: Iterable[Endpoint]) -> None:
        for old in replaced:
            if self._on_replaced is not None:
                self._on_replaced(old)

    def __len__(self) -> int:
        return len(self._all.index)

    def match(self, event: Event) -> tuple[Endpoint, ...]:
        """The endpoints that get the event, in ascending number."""
        return self._all.index.match(event)

    def match_unfiltered(self, event: Event) -> tuple[Endpoint, ...] | None:
        """The same, None when filters have to be asked."""
        return self._all.index.match_unfiltered(event)

    async def match_in_turns(self, event: Event) -> tuple[Endpoint, ...]:
        """The same as the registry is now; while filters take long, others have their turns."""
        return await self._all.index.match_in_turns(event)

    def endpoint(self, number: int) -> Endpoint | None:
        """An endpoint by its number; None when it was deleted."""
        return self._all.by_number.get(number)

    def named(self, endpoint_id: str) -> Endpoint | None:
        """An endpoint by its id."""
        return self._all.index.get(endpoint_id)

    def endpoints(self, subscriber: str | None = None) -> list[Endpoint]:
        """Those of one subscriber, or all, in ascending number."""
        return list(self.by_number(subscriber=subscriber))

    def by_number(
        self, after: int | None = None, *, descending: bool = False, subscriber: str | None = None
    ) -> Iterator[Endpoint]:
        """Those of one subscriber, or all, by number, beyond one number. Nothing may change until it is used up."""
        found = self._all.by_number
        numbers = self._all.numbers if subscriber is None else _Sorted(self._all.of_subscriber.get(subscriber, {}))
        return map(found.__getitem__, numbers.beyond(after, descending=descending))

    def by_creation(
        self, after: tuple[int, str] | None = None, *, descending: bool = False, subscriber: str | None = None
    ) -> Iterator[Endpoint]:
        """The same by time of creation and id, which is the order of the API's lists."""
        index = self._all.index
        positions = self._all.positions
        if subscriber is not None:
            positions = _Sorted(map(_position, self._all.of_subscriber.get(subscriber, {}).values()))
        found = (index.get(name) for _, name in positions.beyond(after, descending=descending))
        return (endpoint for endpoint in found if endpoint is not None)


class _Sorted(Generic[T]):
    """Values in order, once each, in rows, so that adding one of 100,000 moves few others."""

    def __init__(self, values: Iterable[T] = ()) -> None:
        self._rows: list[list[T]] = [[]]
        self._lasts: list[T] = []
        for value in values:
            self.add(value)

    def add(self, value: T) -> None:
        at = min(bisect.bisect_left(self._lasts, value), len(self._rows) - 1)
        row = self._rows[at]
        bisect.insort(row, value)
        if len(row) > ROW:
            self._rows[at : at + 1] = [row[: ROW // 2], row[ROW // 2 :]]
            self._lasts[at : at + 1] = [row[ROW // 2 - 1], row[-1]]
        else:
            self._lasts[at : at + 1] = [row[-1]]

    def discard(self, value: T) -> None:
        at = bisect.bisect_left(self._lasts, value)
        row = self._rows[at] if at < len(self._rows) else []
        place = bisect.bisect_left(row, value)
        if place == len(row) or row[place] != value:
            return
        del row[place]
        if row:
            self._lasts[at] = row[-1]
        else:
            del self._lasts[at]
            if len(self._rows) > 1:
                del self._rows[at]

    def beyond(self, after: T | None, *, descending: bool) -> Iterator[T]:
        """Those after a value, or before it in descending order."""
        if descending:
            at = len(self._rows) - 1 if after is None else bisect.bisect_left(self._lasts, after)
            first = self._rows[at] if at < len(self._rows) else []
            end = len(first) if after is None else bisect.bisect_left(first, after)
            rows = itertools.chain([first[:end]], itertools.islice(reversed(self._rows), len(self._rows) - at, None))
            return itertools.chain.from_iterable(map(reversed, rows))
        at = 0 if after is None else bisect.bisect_right(self._lasts, after)
        first = self._rows[at] if at < len(self._rows) else []
        begin = 0 if after is None else bisect.bisect_right(first, after)
        rows = itertools.chain([first[begin:]], itertools.islice(self._rows, at + 1, None))
        return itertools.chain.from_iterable(rows)


class _Endpoints:
    """One state of the registry's endpoints."""

    def __init__(self, on_filter_failed: OnFilterFailed | None) -> None:
        self.index = Index(on_filter_failed=on_filter_failed)
        self.by_number: dict[int, Endpoint] = {}
        self.of_subscriber: dict[str, dict[int, Endpoint]] = {}
        self.numbers: _Sorted[int] = _Sorted()
        self.positions: _Sorted[tuple[int, str]] = _Sorted()

    def replace(self, endpoint_id: str, endpoint: Endpoint | None) -> Endpoint | None:
        """Put another value, or none, in the place of an endpoint; the value that was there."""
        before = self.index.remove(endpoint_id)
        if before is not None:
            self._forget(before)
        if endpoint is not None:
            self.index.put(endpoint)
            self.by_number[endpoint.number] = endpoint
            self.of_subscriber.setdefault(endpoint.subscriber, {})[endpoint.number] = endpoint
            self.numbers.add(endpoint.number)
            self.positions.add(_position(endpoint))
        return before

    def _forget(self, endpoint: Endpoint) -> None:
        del self.by_number[endpoint.number]
        self.numbers.discard(endpoint.number)
        self.positions.discard(_position(endpoint))
        own = self.of_subscriber[endpoint.subscriber]
        del own[endpoint.number]
        if not own:
            del self.of_subscriber[endpoint.subscriber]


def _position(endpoint: Endpoint) -> tuple[int, str]:
    return endpoint.created_ms, endpoint.id
