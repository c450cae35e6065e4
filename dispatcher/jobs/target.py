"""The endpoint of a replay: whether it can be sent to, and its mark, if live events shall wait.

The one who stored the replay marks the endpoint; if that came to nothing, the first slice does. A slice that ends a
replay clears the mark after that; what a crash leaves between the two, `watch` clears.
"""

import logging

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.model.endpoint import Endpoint
from gateway.model.replay import FINISHED, Replay
from gateway.store import marks
from gateway.store.registry import Registry
from gateway.store.replays import Replays

logger = logging.getLogger("dispatcher.replay")


class ReplayFailed(Exception):
    """The replay cannot be carried on; the text says why and is shown."""


def holds(replay: Replay) -> bool:
    """Whether live events wait for it."""
    return replay.catch_up and not replay.dry_run


class Target:
    """Looks at endpoints of replays, and marks them."""

    def __init__(self, redis: Redis, clock: Clock, replays: Replays) -> None:
        self._registry, self._replays = Registry(redis, clock), replays

    async def check(self, replay: Replay) -> Endpoint:
        """The endpoint, marked if it shall be. Raises ReplayFailed, and redis errors."""
        for _ in range(marks.ATTEMPTS):
            found = await self._usable(replay)
            if not holds(replay) or await self._is_marked(found, replay):
                return found
        raise ReplayFailed(f"endpoint {replay.endpoint} keeps changing: start another replay")

    async def release(self, replay: Replay) -> None:
        """The replay has ended: live events wait for it no longer. Raises redis errors."""
        if replay.catch_up and not await marks.clear(self._registry, replay.endpoint, replay.id):
            logger.warning("replay.still_marked", extra={"replay": replay.id, "endpoint": replay.endpoint})

    async def release_ended(self, replay_id: str) -> None:
        """The same of a replay that somebody else may have ended."""
        found = await self._replays.get(replay_id)
        if found is not None and found.status in FINISHED:
            await self.release(found)

    async def _usable(self, replay: Replay) -> Endpoint:
        found = await self._registry.get_endpoint(replay.endpoint)
        if found is None or found.number != replay.endpoint_number:
            raise ReplayFailed(f"endpoint {replay.endpoint} was deleted")
        if found.status == "disabled" and not replay.dry_run:
            raise ReplayFailed(
                f"endpoint {found.id} is disabled ({found.disabled_reason}): enable it and start another replay"
            )
        return found

    async def _is_marked(self, found: Endpoint, replay: Replay) -> bool:
        if not found.ordered:
            raise ReplayFailed(f"endpoint {found.id} is not ordered any more: start a replay without catch_up")
        if found.catch_up == replay.id:
            return True
        other = await self._replays.get(found.catch_up) if found.catch_up else None
        if other is not None and other.status not in FINISHED:
            raise ReplayFailed(f"live events of endpoint {found.id} wait for replay {other.id}")
        return await marks.put(self._registry, found, replay.id)
