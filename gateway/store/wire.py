"""Many commands in one write, their replies in few reads: what the hot paths use instead of a redis-py pipeline.

redis-py connects, authenticates and speaks TLS; from there on bytes are packed and parsed in C with nothing between. A
pipeline costs about 100 us more for each round trip: a task for the write, a timer for each reply.

The contract is that of a pipeline: an exception means that the outcome is not known, except that the reply of one
command may be an error of its own. A connection whose replies did not all come is closed, so that no reply is ever
taken for another's. What breaks is sent again by the rules of the client, so only what is idempotent may be sent.
"""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import hiredis
from redis import exceptions
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry

Argument = bytes | str | int | float
READ_BYTES = 262_144
_MORE = object()


class Link(Protocol):
    """One connection to the store."""

    async def open(self) -> None:
        """Connect and authenticate."""
        ...

    async def exchange(self, packed: bytes, count: int, seconds: float) -> list[Any]:
        """Send, and read so many replies."""
        ...

    @property
    def is_sound(self) -> bool:
        """Whether another exchange may begin."""
        ...

    async def shut(self) -> None:
        """Close it now."""
        ...


class Wire:
    """Links of one client, each used by one caller at a time."""

    def __init__(self, pool: ConnectionPool, retry: Retry, seconds: float) -> None:
        self._pool, self._retry, self._seconds = pool, retry, seconds
        self._idle: list[Link] = []

    async def send(self, commands: Sequence[Iterable[Argument]]) -> list[Any]:
        """The raw reply of each command, or the error that it is (as RESP3 has them; nothing is converted).

        Raises redis ConnectionError, TimeoutError, BusyLoadingError: then any of them may have been carried out.
        """
        if not commands:
            return []
        pack = hiredis.pack_command
        packed = b"".join([pack(tuple(each)) for each in commands])  # type: ignore[arg-type]  # its stub: one argument

        async def once() -> list[Any]:
            return await self._once(packed, len(commands))

        return await self._retry.call_with_retry(once, _nothing)

    async def _once(self, packed: bytes, count: int) -> list[Any]:
        link = await self._take()
        try:
            replies = await link.exchange(packed, count, self._seconds)
        except BaseException:
            await link.shut()
            raise
        self._idle.append(link)
        return replies

    async def _take(self) -> Link:
        while self._idle:
            link = self._idle.pop()
            if link.is_sound:
                return link
            await link.shut()
        fresh: Link = self._pool.make_connection()
        await fresh.open()
        return fresh

    async def close(self) -> None:
        """Close what is idle."""
        while self._idle:
            await self._idle.pop().shut()


async def _nothing(_error: Exception) -> None:
    """The link is closed already."""


class Linked:
    """What makes a connection of redis-py a link; beside `redis.asyncio.Connection` or one of its kin."""

    _reader: asyncio.StreamReader | None
    _writer: asyncio.StreamWriter | None
    _replies: hiredis.Reader

    async def open(self) -> None:
        """Connect and authenticate. Raises redis ConnectionError, TimeoutError, AuthenticationError."""
        await self.connect()  # type: ignore[attr-defined]  # redis-py's
        parse_error = self._parser.parse_error  # type: ignore[attr-defined]  # redis-py's
        self._replies = hiredis.Reader(
            protocolError=exceptions.InvalidResponse, replyError=parse_error, notEnoughData=_MORE
        )

    async def exchange(self, packed: bytes, count: int, seconds: float) -> list[Any]:
        """See `Wire.send`."""
        if self._reader is None or self._writer is None:
            raise exceptions.ConnectionError("the connection is closed")
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(packed)
                return await self._read(self._reader, count)
        except TimeoutError:
            raise exceptions.TimeoutError(f"no reply within {seconds:g} s") from None
        except (OSError, RuntimeError) as error:  # uvloop's for a transport that is closed
            raise exceptions.ConnectionError(f"the connection broke: {error}") from error

    async def _read(self, reader: asyncio.StreamReader, count: int) -> list[Any]:
        replies: list[Any] = []
        while True:
            chunk = await reader.read(READ_BYTES)
            if not chunk:
                raise exceptions.ConnectionError("the store closed the connection")
            self._replies.feed(chunk)
            while (reply := self._replies.gets()) is not _MORE:
                if isinstance(reply, exceptions.ConnectionError):
                    raise reply
                if not isinstance(reply, hiredis.PushNotification):
                    replies.append(reply)
            if len(replies) >= count:
                return replies

    @property
    def is_sound(self) -> bool:
        """Whether it is open and nothing came that nobody asked for."""
        return self._reader is not None and not self._reader.at_eof() and not self._replies.has_data()

    async def shut(self) -> None:
        """Close it without a farewell."""
        await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # redis-py's
