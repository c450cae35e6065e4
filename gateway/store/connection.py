"""Connections to the store.

redis-py repeats a command by itself when a connection breaks; that is safe since every write is an idempotent script.
Timeouts are short so that a hung store becomes an error, which callers turn into 503 or try again later.
"""

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

CONNECT_SECONDS = 2.0
REPLY_SECONDS = 5.0
RETRIES = 2
CONNECTIONS = 512
UNAVAILABLE = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.OutOfMemoryError,
    exceptions.ReadOnlyError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    exceptions.TryAgainError,
)
"""Errors that mean: not now."""
_REFUSALS = ("OOM", "MISCONF", "NOREPLICAS")


def connect(url: str, reply_seconds: float = REPLY_SECONDS) -> Redis:
    """A client with its own pool; nothing is sent yet. `reply_seconds` must exceed any blocking read."""
    return Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=reply_seconds,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES),
        max_connections=CONNECTIONS,
        protocol=3,
    )


def is_unavailable(error: BaseException) -> bool:
    """Whether the store cannot take this now: down, hung, loading, full, read-only or without enough replicas."""
    if isinstance(error, UNAVAILABLE):
        return True
    return isinstance(error, exceptions.ResponseError) and str(error).startswith(_REFUSALS)


async def store_ms(redis: Redis) -> int:
    """The store's clock, milliseconds since the epoch (Redis TIME)."""
    seconds, micros = await redis.time()
    return int(seconds) * 1_000 + int(micros) // 1_000
