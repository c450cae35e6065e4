"""Endpoints whose live events wait for a replay, and the end of waiting for one that has ended.

    first look, or a cursor outside the change stream: all endpoints, a page at a time
    every other look: the endpoints that the change stream names

Of many endpoints few are marked, so a look costs what has changed and one read per mark.
"""

import logging

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.model.endpoint import Endpoint
from gateway.model.replay import FINISHED
from gateway.store import marks
from gateway.store.registry import Registry
from gateway.store.replays import Replays

logger = logging.getLogger("dispatcher.watch")


class Marked:
    """Follows the marks of all endpoints."""

    def __init__(self, redis: Redis, clock: Clock, replays: Replays) -> None:
        self._registry, self._replays = Registry(redis, clock), replays
        self._cursor = ""
        self.marks: dict[str, str] = {}
        """The replay by endpoint, as far as the change stream was read."""

    async def release(self) -> list[str]:
        """Clear the marks of replays that have ended or are gone; the endpoints. Raises redis errors."""
        await self._follow()
        released = []
        for endpoint, replay_id in list(self.marks.items()):
            # asked for after the mark was seen, and a replay is stored before its mark
            replay = await self._replays.get(replay_id)
            if replay is None or replay.status in FINISHED:
                if await marks.clear(self._registry, endpoint, replay_id):
                    self.marks.pop(endpoint)
                    released.append(endpoint)
                logger.warning("endpoint.released", extra={"endpoint": endpoint, "replay": replay_id})
        return released

    async def _follow(self) -> None:
        more = True
        while more:
            found = await self._registry.changes_since(self._cursor) if self._cursor else None
            if found is None or found.truncated:
                await self._load()
                return
            changed = {change.id for change in found.changes if change.kind == "endpoint"}
            read = await self._registry.get_endpoints(changed)
            for endpoint_id in changed:
                self._note(endpoint_id, read.get(endpoint_id))
            self._cursor, more = found.cursor, found.more

    async def _load(self) -> None:
        cursor = await self._registry.changes_tail()
        self.marks.clear()
        async for page in self._registry.endpoint_pages():
            for endpoint in page:
                self._note(endpoint.id, endpoint)
        self._cursor = cursor

    def _note(self, endpoint_id: str, endpoint: Endpoint | None) -> None:
        if endpoint is not None and endpoint.catch_up:
            self.marks[endpoint_id] = endpoint.catch_up
        else:
            self.marks.pop(endpoint_id, None)
