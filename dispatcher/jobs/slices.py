"""One slice of a replay: claim it by its token, take turns, save, hand it on.

    claim (token -> our own) -> turn, turn, ... -> completed | failed
                                                -> next token saved, the caller queues its job
                                                -> nothing: cancelled, or the token is another's by now

Every change goes through `_change`, which compares the token in the store with ours. Errors of a store that is away or
full are waited out, as long as the slice lasts; any other one fails the replay, by name. Live events that wait for the
replay go once it has ended, whoever ended it.
"""

import logging
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from dispatcher.jobs.replay import ReplayTurns, Report
from dispatcher.jobs.target import ReplayFailed, Target, holds
from dispatcher.jobs.timing import Timing
from dispatcher.store_time import StoreTime
from gateway.clock import Clock
from gateway.model.replay import FINISHED, Replay
from gateway.store import connection, keys, marks
from gateway.store.replays import Replays

logger = logging.getLogger("dispatcher.replay")


class NotOurs(Exception):
    """The replay is finished, gone, or another slice goes on with it: this one ends without a word."""


class Signals(NamedTuple):
    """What a slice asks its surroundings: whether the process ends, and whether other jobs wait."""

    stopping: Callable[[], bool]
    others_wait: Callable[[], Awaitable[bool]]


def new_token() -> str:
    """Names who may go on with a replay."""
    return secrets.token_hex(8)


class Slice:
    """Runs once. `redis` is a client of the running loop; `most` is how many orders may be outstanding."""

    def __init__(
        self,
        redis: Redis,
        partitions: Sequence[keys.PartitionKeys],
        clock: Clock,
        timing: Timing,
        signals: Signals,
        most: int,
    ) -> None:
        self._redis, self._partitions, self._clock, self._timing = redis, partitions, clock, timing
        self._signals, self._most = signals, most
        self._replays = Replays(redis, clock)
        self._target = Target(redis, clock, self._replays)
        self._time = StoreTime(clock)
        self._token = new_token()
        self._began = self._saved = clock.monotonic()
        self._beat = 0
        self._others_wait = False

    async def run(self, replay_id: str, token: str) -> str | None:
        """The token of the slice that shall follow; None when nothing is left to be done by us.

        Raises redis errors when the store is away at the beginning or at the end.
        """
        try:
            replay = await self._claim(replay_id, token)
            return await self._work(replay)
        except NotOurs:
            await self._target.release_ended(replay_id)
        except ReplayFailed as failed:
            await self._fail(replay_id, str(failed))
        except Exception as error:
            if connection.is_unavailable(error):
                raise
            logger.exception("replay.failed", extra={"replay": replay_id})
            await self._fail(replay_id, f"internal error: {type(error).__name__}: {error}")
        return None

    async def _claim(self, replay_id: str, token: str) -> Replay:
        def decide(read: Replay) -> Replay:
            if read.status in FINISHED or read.token not in {token, self._token}:
                raise NotOurs
            self._beat = read.beat if read.token == self._token else read.beat + 1
            return msgspec.structs.replace(read, status="running", token=self._token, beat=self._beat)

        replay = await self._replays.change(replay_id, decide)
        if replay is None:
            raise NotOurs
        logger.info("replay.slice_started", extra={"replay": replay_id, "phase": replay.phase})
        return replay

    async def _change(self, replay_id: str, change: Callable[[Replay], Replay]) -> Replay:
        """Change the replay, if it is still ours; as it is then. Raises NotOurs."""
        self._beat += 1

        def decide(read: Replay) -> Replay:
            if read.status in FINISHED or read.token != self._token:
                raise NotOurs
            return msgspec.structs.replace(change(read), beat=self._beat)

        changed = await self._replays.change(replay_id, decide)
        if changed is None:
            raise NotOurs
        self._saved = self._clock.monotonic()
        return changed

    async def _fail(self, replay_id: str, error: str) -> None:
        try:
            await self._change(replay_id, lambda read: msgspec.structs.replace(read, status="failed", error=error))
        except NotOurs:
            await self._target.release_ended(replay_id)
            return
        logger.warning("replay.ended", extra={"replay": replay_id, "status": "failed", "error": error})
        await self._target.release_ended(replay_id)

    async def _work(self, replay: Replay) -> str | None:
        endpoint = await self._target.check(replay)
        replay = await self._with_end(replay)
        await self._time.sample(self._redis)
        turns = ReplayTurns(self._redis, self._partitions, replay, endpoint, self._time, self._most)
        wait = self._timing.shortest_wait
        while True:
            report = await self._turn(replay, turns)
            if report is not None and report.finished:
                await self._finish(replay, turns)
                return None
            if self._is_over():
                return await self._hand_on(replay, turns)
            if report is None:
                await self._clock.sleep(self._timing.retry)
            elif not report.moved:
                await self._clock.sleep(wait)
                wait = min(wait * 2, self._timing.longest_wait)
            else:
                wait = self._timing.shortest_wait

    async def _with_end(self, replay: Replay) -> Replay:
        """The replay with its end, which is fixed after the mark, so that nothing is accepted between the two."""
        if replay.until_ms != marks.AT_MARK or not holds(replay):
            return replay
        now_ms = await connection.store_ms(self._redis)
        return await self._change(replay.id, lambda read: marks.fixed(read, now_ms) or read)

    async def _turn(self, replay: Replay, turns: ReplayTurns) -> Report | None:
        """One turn, with a save when it is time; None when the store could not take it now."""
        try:
            await self._still_ours(replay)
            if self._clock.monotonic() - self._saved >= self._timing.beat:
                await self._change(replay.id, turns.progress)
                await self._target.check(replay)
                self._others_wait = await self._signals.others_wait()
            return await turns.run_once()
        except Exception as error:
            if not connection.is_unavailable(error):
                raise
            logger.warning("replay.waits", extra={"replay": replay.id, "error": repr(error)})
            return None

    async def _still_ours(self, replay: Replay) -> None:
        read = await self._replays.get(replay.id)
        if read is None or read.status in FINISHED or read.token != self._token:
            raise NotOurs

    def _is_over(self) -> bool:
        longest = self._timing.fair if self._others_wait else self._timing.slice
        return self._signals.stopping() or self._clock.monotonic() - self._began >= longest

    async def _finish(self, replay: Replay, turns: ReplayTurns) -> None:
        total, error = await turns.outcome()

        def complete(read: Replay) -> Replay:
            return msgspec.structs.replace(turns.progress(read), status="completed", total=total, error=error)

        await self._change(replay.id, complete)
        logger.info("replay.ended", extra={"replay": replay.id, "status": "completed", "total": total})
        await self._target.release(replay)

    async def _hand_on(self, replay: Replay, turns: ReplayTurns) -> str:
        token = new_token()
        await self._change(replay.id, lambda read: msgspec.structs.replace(turns.progress(read), token=token))
        return token
