"""The queue of operator jobs: RQ, with JSON and primitive arguments only.

A job is a hint, never the state: it names a replay and the token of the slice that may go on with it. The replay itself
says whether the job still counts, so a job that is lost, repeated or late does no harm; the workers' watch queues
another one for a replay that stands still.

RQ's keys have a prefix of their own. Jobs are named by text, so that the gateway can queue what only the dispatcher
has.
"""

import asyncio
import logging
import os

from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from gateway.settings import Settings
from gateway.store import connection

PREFIX = "hookline"
os.environ["RQ_KEY_PREFIX"] = PREFIX
from rq import Queue, defaults  # noqa: E402 - RQ reads its prefix once, when it is imported
from rq.serializers import JSONSerializer  # noqa: E402 - as above

if defaults.RQ_KEY_PREFIX != PREFIX:
    raise RuntimeError(f"rq was imported before {__name__}: its keys would begin with {defaults.RQ_KEY_PREFIX!r}")

QUEUE = "hookline"
REPLAY = "dispatcher.jobs.shells.replay"
SLICE_SECONDS = 30.0
JOB_SECONDS = 75
"""RQ ends a job after this time: longer than a slice whose last words wait for a store that hangs."""
FAILED_JOB_SECONDS = 3_600
logger = logging.getLogger("gateway.jobs")


def url(settings: Settings, store_url: str) -> str:
    """Where the jobs are: HOOKLINE_JOBS_REDIS_URL, else the store."""
    return settings.jobs_redis_url or store_url


def connect(jobs_url: str) -> Redis:
    """A client without a loop, which RQ needs; nothing is sent yet."""
    return Redis.from_url(
        jobs_url,
        socket_connect_timeout=connection.CONNECT_SECONDS,
        socket_timeout=connection.REPLY_SECONDS,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), connection.RETRIES),
    )


def queue(redis: Redis) -> Queue:
    """The one queue; nothing is sent yet."""
    return Queue(QUEUE, connection=redis, serializer=JSONSerializer)


def job_id(replay_id: str, token: str) -> str:
    """The job's id; the first job of a replay has the token ''."""
    return f"{replay_id}-{token or 'first'}"


class Jobs:
    """Puts jobs into the queue and looks into it. May be used from several threads."""

    def __init__(self, jobs_url: str) -> None:
        self._redis = connect(jobs_url)
        self._queue = queue(self._redis)

    def put(self, replay_id: str, token: str) -> None:
        """Queue a slice of a replay. Raises redis errors; a repetition does no harm."""
        self._queue.enqueue_call(
            REPLAY,
            args=(replay_id, token),
            job_id=job_id(replay_id, token),
            timeout=JOB_SECONDS,
            result_ttl=0,
            failure_ttl=FAILED_JOB_SECONDS,
        )

    def holds(self, replay_id: str, token: str) -> bool:
        """Whether that job waits for a worker. Raises redis errors."""
        return self._queue.get_job_position(job_id(replay_id, token)) is not None

    def waiting(self) -> int:
        """How many jobs wait for a worker. Raises redis errors."""
        return int(self._queue.count)

    async def start_replay(self, replay_id: str) -> None:
        """Queue the first slice of a replay that is stored.

        Never fails: when the queue cannot be reached, the workers' watch finds the replay itself.
        """
        try:
            await asyncio.to_thread(self.put, replay_id, "")
        except (RedisError, OSError) as error:
            logger.warning("job.not_queued", extra={"replay": replay_id, "error": repr(error)})

    def close(self) -> None:
        """Drop the connections."""
        self._redis.close()
