"""The registry in memory, following its change stream: what matching, the API's lists and explanations read.

    load: every endpoint in pages, aside, then put in place at once
    follow, refresh: one read of the change stream, then only the objects that it names

What was registered before `refresh` was called is known when it returns. A change costs its own size. A cursor outside
of the change stream means a full load. The memory is never half of one state and half of another for who reads it
between two awaits, but it may be older than the store until the next refresh.
"""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from gateway.matching import Index, OnFilterFailed
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store import changes
from gateway.store.registry_reads import RegistryReader

LARGE = 5_000
"""From so many endpoints on, what was loaded is kept out of the garbage collector, whose pauses grow with it."""
OnReplaced = Callable[[Endpoint], None]
"""Called with the value that an endpoint had, once it has another one or none."""
OnBreakers = Callable[[set[str] | None], Awaitable[None]]
"""Called with the numbers of the endpoints whose breaker changed, None for all; awaited before the cursor moves on."""


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
        """Know everything that was registered before this call."""
        async with self._lock:
            await self._apply(await self._registry.changes_since(self.cursor))

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

    def endpoint(self, number: int) -> Endpoint | None:
        """An endpoint by its number; None when it was deleted."""
        return self._all.by_number.get(number)

    def named(self, endpoint_id: str) -> Endpoint | None:
        """An endpoint by its id."""
        return self._all.index.get(endpoint_id)

    def endpoints(self, subscriber: str | None = None) -> Sequence[Endpoint]:
        """Those of one subscriber, or all, in ascending number."""
        return self._all.ordered(subscriber)


class _Endpoints:
    """One state of the registry's endpoints. Lists are put in order when somebody asks for them."""

    def __init__(self, on_filter_failed: OnFilterFailed | None) -> None:
        self.index = Index(on_filter_failed=on_filter_failed)
        self.by_number: dict[int, Endpoint] = {}
        self._of_subscriber: dict[str, dict[int, Endpoint]] = {}
        self._ordered: tuple[Endpoint, ...] | None = None

    def put(self, endpoint: Endpoint) -> None:
        self.index.put(endpoint)
        self.by_number[endpoint.number] = endpoint
        self._of_subscriber.setdefault(endpoint.subscriber, {})[endpoint.number] = endpoint
        self._ordered = None

    def replace(self, endpoint_id: str, endpoint: Endpoint | None) -> Endpoint | None:
        """Put another value, or none, in the place of an endpoint; the value that was there."""
        before = self.index.remove(endpoint_id)
        if before is not None:
            self._ordered = None
            self.by_number.pop(before.number, None)
            own = self._of_subscriber.get(before.subscriber, {})
            own.pop(before.number, None)
            if not own:
                self._of_subscriber.pop(before.subscriber, None)
        if endpoint is not None:
            self.put(endpoint)
        return before

    def ordered(self, subscriber: str | None) -> Sequence[Endpoint]:
        if subscriber is not None:
            own = self._of_subscriber.get(subscriber, {})
            return [own[number] for number in sorted(own)]
        if self._ordered is None:
            self._ordered = tuple(map(self.by_number.__getitem__, sorted(self.by_number)))
        return self._ordered
