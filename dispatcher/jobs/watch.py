"""Finds replays that stand still and queues a slice for them.

A replay stands still when its token and beat were seen unchanged for `Timing.stale` seconds of our own monotonic time,
and no job for that token waits in the queue. It gets a new token, by compare-and-set, and a job for it: should the old
slice be alive after all, it finds another token and ends. Every worker watches; of two that act at once one wins.

It also lets live events go that wait for a replay which has ended: who ended it may have crashed before.
"""

import logging
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher.jobs.marked import Marked
from dispatcher.jobs.slices import new_token
from dispatcher.jobs.timing import Timing
from gateway.clock import Clock
from gateway.model.replay import FINISHED, Replay
from gateway.store.jobs import Jobs
from gateway.store.replays import Replays

logger = logging.getLogger("dispatcher.watch")


class Report(NamedTuple):
    """How many replays are unfinished, which ones were given to a new slice, and which endpoints wait no longer."""

    unfinished: int
    revived: list[str]
    released: list[str]


class _Seen(NamedTuple):
    token: str
    beat: int
    since: float


class Watch:
    """Looks at all replays, again and again."""

    def __init__(self, redis: Redis, jobs: Jobs, clock: Clock, timing: Timing) -> None:
        self._replays, self._jobs, self._clock, self._timing = Replays(redis, clock), jobs, clock, timing
        self._marked = Marked(redis, clock, self._replays)
        self._seen: dict[str, _Seen] = {}

    async def run_once(self) -> Report:
        """Look once. Raises redis errors; time during which nothing could be seen does not count then."""
        try:
            unfinished = [one for one in await self._replays.list_all() if one.status not in FINISHED]
            now = self._clock.monotonic()
            self._seen = {one.id: self._note(one, now) for one in unfinished}
            stale = [one for one in unfinished if now - self._seen[one.id].since >= self._timing.stale]
            revived = [one.id for one in stale if not self._jobs.holds(one.id, one.token) and await self._revive(one)]
        except RedisError:
            self._seen.clear()
            raise
        return Report(len(unfinished), revived, await self._marked.release())

    def _note(self, replay: Replay, now: float) -> _Seen:
        seen = self._seen.get(replay.id)
        if seen is not None and (seen.token, seen.beat) == (replay.token, replay.beat):
            return seen
        return _Seen(replay.token, replay.beat, now)

    async def _revive(self, stale: Replay) -> bool:
        token = new_token()

        def decide(read: Replay) -> Replay | None:
            if read.status in FINISHED or (read.token, read.beat) != (stale.token, stale.beat):
                return None
            return msgspec.structs.replace(read, token=token)

        changed = await self._replays.change(stale.id, decide)
        if changed is None or changed.token != token:
            return False
        logger.warning("replay.stood_still", extra={"replay": stale.id, "beat": stale.beat})
        self._jobs.put(stale.id, token)
        return True
