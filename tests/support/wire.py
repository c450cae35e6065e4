"""Keep-alive connections of the load generators: prebuilt bytes out, one parsed answer in, never two at once."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from typing import cast

import httptools

from tests.support.waiting import pause

OnAnswer = Callable[["Wire", int, bytes], None]
_AGAIN_SECONDS = 0.05


class Wire(asyncio.Protocol):
    """One connection. `on_answer(wire, status, body)` has status 0 when it broke before the whole answer."""

    def __init__(self, pool: "WirePool") -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._transport: asyncio.Transport | None = None
        self._waiting: OnAnswer | None = None
        self.started_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._pool.lost(self)  # first, so that nobody gets it again with the answer
        self._answer(0, b"")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()

    def on_body(self, body: bytes) -> None:
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        self._answer(self._parser.get_status_code(), body)

    def send(self, request: bytes, on_answer: OnAnswer) -> None:
        """Send one whole request; the connection is busy until `on_answer`."""
        self._waiting = on_answer
        if self._transport is None:
            asyncio.get_running_loop().call_soon(self._answer, 0, b"")
        else:
            self._transport.write(request)

    def abort(self) -> None:
        """Reset the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _answer(self, status: int, body: bytes) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting(self, status, body)


class WirePool:
    """A fixed number of connections to one address; a broken one is replaced after 50 ms, for ever."""

    def __init__(self, host: str, port: int, size: int) -> None:
        self._address = (host, port)
        self._size = size
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: set[Wire] = set()
        self.idle: deque[Wire] = deque()
        self.on_idle: Callable[[Wire], None] | None = None

    async def open(self) -> None:
        """Connect all; raises OSError when nobody listens."""
        for _ in range(self._size):
            await self._connect()

    def release(self, wire: Wire) -> None:
        """Give a connection back; `on_idle` gets it, else it waits in `idle`."""
        if wire not in self._open:
            return
        if self.on_idle is None:
            self.idle.append(wire)
        else:
            self.on_idle(wire)

    def lost(self, wire: Wire) -> None:
        """Called by a connection that broke."""
        if wire not in self._open:
            return
        self._open.discard(wire)
        with contextlib.suppress(ValueError):
            self.idle.remove(wire)
        task = asyncio.get_running_loop().create_task(self._reconnect())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Drop all connections and stop replacing them."""
        wires, self._open = self._open, set()
        for wire in wires:
            wire.abort()
        for task in self._tasks:
            task.cancel()

    async def _connect(self) -> None:
        _, wire = await asyncio.get_running_loop().create_connection(lambda: Wire(self), *self._address)
        self._open.add(wire)
        self.release(wire)

    async def _reconnect(self) -> None:
        while True:
            await pause(_AGAIN_SECONDS)
            with contextlib.suppress(OSError):
                return await self._connect()
