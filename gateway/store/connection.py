"""Connections to the store: redis-py's client, and beside it the wire of the hot paths with the same rules.

redis-py repeats a command by itself when a connection breaks; that is safe since every write is an idempotent script.
Timeouts are short so that a hung store becomes an error, which callers turn into 503 or try again later.
"""

from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import hiredis
from redis import exceptions
from redis.asyncio import Connection, ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff

from gateway.store.wire import Linked, Wire

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
_REFUSALS = ("OOM", "MISCONF", "NOREPLICAS", "UNBLOCKED")
"""The last one ends a blocking read when the store becomes a replica."""


class _Packed(Linked):
    """Packs commands in C, as redis-py's blocking client does; its asyncio one packs each argument in Python."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """One command, of one word or several (`CONFIG GET`)."""
        name = args[0].encode() if isinstance(args[0], str) else args[0]
        return [hiredis.pack_command((*name.split(), *args[1:]))]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        """A pipeline of commands, in one piece."""
        return [b"".join([self.pack_command(*command)[0] for command in commands])]

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """As redis-py, with its error for a connection that is found broken; uvloop has another one for it."""
        try:
            await super().send_packed_command(command, check_health)  # type: ignore[misc]  # redis-py's
        except RuntimeError as error:
            raise exceptions.ConnectionError(f"the connection broke: {error}") from error


class _Tcp(_Packed, Connection):
    pass


class _Tls(_Packed, SSLConnection):
    pass


class _Unix(_Packed, UnixDomainSocketConnection):
    pass


_CONNECTIONS: dict[str, type[Connection | SSLConnection | UnixDomainSocketConnection]] = {
    "redis": _Tcp,
    "rediss": _Tls,
    "unix": _Unix,
}


class Client(Redis):
    """redis-py's client, with a way past it for the hot paths."""

    wire: Wire

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close every connection."""
        await self.wire.close()
        await super().aclose(close_connection_pool)


def connect(url: str, reply_seconds: float = REPLY_SECONDS, *, patient: bool = True) -> Client:
    """A client with its own pool; nothing is sent yet. `reply_seconds` must exceed any blocking read.

    A command whose connection breaks is repeated; one that only gets no reply in time is too, if `patient`.
    """
    broken: tuple[type[exceptions.RedisError], ...] = (exceptions.ConnectionError,)
    repeated = (*broken, exceptions.TimeoutError) if patient else broken
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.05), RETRIES, repeated)
    pool = ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=reply_seconds,
        retry=retry,
        max_connections=CONNECTIONS,
        protocol=3,
    )
    # afterwards, since the URL's scheme sets it again
    pool.connection_class = _CONNECTIONS[urlsplit(url).scheme]
    client = Client(connection_pool=pool)
    client.auto_close_connection_pool = True
    client.wire = Wire(pool, retry, reply_seconds)
    return client


def is_unavailable(error: BaseException) -> bool:
    """Whether the store cannot take this now: down, hung, loading, full, read-only or without enough replicas."""
    if isinstance(error, UNAVAILABLE):
        return True
    return isinstance(error, exceptions.ResponseError) and str(error).startswith(_REFUSALS)


async def store_ms(redis: Redis) -> int:
    """The store's clock, milliseconds since the epoch (Redis TIME)."""
    seconds, micros = await redis.time()
    return int(seconds) * 1_000 + int(micros) // 1_000
