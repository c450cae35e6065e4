"""What RQ calls: primitive arguments, and a call of async code."""

import asyncio
import logging

from redis.exceptions import RedisError

from dispatcher.jobs import runtime
from dispatcher.jobs.slices import Signals, Slice
from gateway.store import connection, keys

OUTSTANDING_PER_SLOT = 2
logger = logging.getLogger("dispatcher.jobs")


def replay(replay_id: str, token: str) -> None:
    """One slice of a replay, and the job of the next one.

    Never fails for a store that is away: the replay then stands still, and the watch goes on with it.
    """
    surroundings = runtime.current()
    try:
        following = asyncio.run(_replay(surroundings, replay_id, token))
        if following is not None:
            surroundings.jobs.put(replay_id, following)
    except (RedisError, OSError) as error:
        logger.warning("slice.interrupted", extra={"replay": replay_id, "error": repr(error)})


async def _replay(given: runtime.Runtime, replay_id: str, token: str) -> str | None:
    async def others_wait() -> bool:
        try:
            return await asyncio.to_thread(given.jobs.waiting) > 0
        except RedisError:
            return False

    redis = connection.connect(given.url)
    count = given.settings.partition_count
    partitions = [keys.PartitionKeys(number, count) for number in range(count)]
    most = OUTSTANDING_PER_SLOT * given.settings.max_in_flight
    signals = Signals(given.stopping.is_set, others_wait)
    try:
        return await Slice(redis, partitions, given.clock, given.timing, signals, most).run(replay_id, token)
    finally:
        await redis.aclose()
