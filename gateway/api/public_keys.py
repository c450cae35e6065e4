"""The Ed25519 keys of all endpoints, kept in memory.

    call --> (change stream read since I asked?) --no--> one read of what changed --> the keys that are live now

The registry is read as a whole once per process, at the first call; after that a call costs one read of the change
stream at most, and calls of one moment share it: their source is open to everybody, so it must be cheap. What is
returned has every change that was answered before the call.
"""

import asyncio

from gateway.clock import Clock
from gateway.model import secret as model
from gateway.model.endpoint import Endpoint
from gateway.store.registry import Registry


class PublicKeys:
    """The live Ed25519 secrets of all endpoints; follows the change stream."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry, self._clock = registry, clock
        self._found: dict[str, model.Secrets] = {}
        self._cursor: str | None = None
        self._reads = 0
        self._lock = asyncio.Lock()

    async def live(self) -> list[model.EndpointSecret]:
        """Those that sign now, oldest first, with every change before this call. Raises redis errors."""
        asked = self._reads
        async with self._lock:
            if self._reads <= asked:
                await self._read()
        now = self._clock.wall_ms()
        found = [one for kept in self._found.values() for one in model.live(kept, now)]
        return sorted(found, key=lambda one: (one.created_ms, one.id))

    async def _read(self) -> None:
        self._reads += 1
        try:
            await (self._load() if self._cursor is None else self._follow(self._cursor))
        except BaseException:
            self._reads -= 1
            raise

    async def _load(self) -> None:
        cursor = await self._registry.changes_tail()
        self._found.clear()
        async for page in self._registry.endpoint_pages():
            for endpoint in page:
                self._put(endpoint.id, endpoint)
        self._cursor = cursor

    async def _follow(self, cursor: str) -> None:
        while True:
            found = await self._registry.changes_since(cursor)
            if found.truncated:
                return await self._load()
            names = {change.id for change in found.changes if change.kind == "endpoint"}
            if names:
                endpoints = await self._registry.get_endpoints(names)
                for name in names:
                    self._put(name, endpoints.get(name))
            self._cursor = cursor = found.cursor
            if not found.more:
                return None

    def _put(self, name: str, endpoint: Endpoint | None) -> None:
        kept = model.of_kind(endpoint.secrets, "v1a") if endpoint else ()
        if kept:
            self._found[name] = kept
        else:
            self._found.pop(name, None)
