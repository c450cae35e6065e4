"""Listens, keeps the time of all connections, and ends them without cutting off an answer."""

import asyncio
import contextlib
from email.utils import formatdate

from gateway.api.http1.connection import Connection
from gateway.api.http1.direct import App, Prepare, never
from gateway.api.http1.shared import Shared, Times
from gateway.clock import Clock

TICK_SECONDS = 0.25
"""How exact the time limits of connections are: one timer for all of them."""
BACKLOG = 1_024


class Listener:
    """One listening socket; `app` is an ASGI callable that answers every request by itself, errors too.

    `prepare` knows the requests that can do without it.
    """

    def __init__(self, app: App, clock: Clock, times: Times | None = None, prepare: Prepare = never) -> None:
        self._clock = clock
        self._shared = Shared(app, asyncio.get_running_loop(), times or Times(), prepare)
        self._server: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._shared.connections)

    async def open(self, host: str, port: int) -> int:
        """Listen; the port, which the system chooses if 0 was asked for. Raises OSError when it is taken."""
        self._tick()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self._shared), host, port, backlog=BACKLOG)
        self._ticker = asyncio.create_task(self._keep_time())
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, seconds: float) -> bool:
        """Accept no more, give the running requests so long to be answered, then cut off; whether all were answered."""
        if self._server is not None:
            self._server.close()
        self._shared.draining = True
        for connection in tuple(self._shared.connections):
            connection.drain()
        if self._shared.running:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._shared.idle.wait(), seconds)
        answered = not self._shared.running
        await self._end()
        return answered

    async def _end(self) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        for connection in tuple(self._shared.connections):
            connection.close()
        while self._shared.connections:
            before = len(self._shared.connections)
            await self._clock.sleep(TICK_SECONDS)
            if len(self._shared.connections) >= before:
                for connection in tuple(self._shared.connections):
                    connection.abort()

    async def _keep_time(self) -> None:
        while True:
            await self._clock.sleep(TICK_SECONDS)
            self._tick()

    def _tick(self) -> None:
        self._shared.date = f"date: {formatdate(self._clock.wall_ms() / 1_000, usegmt=True)}\r\n".encode()
        now = self._shared.loop.time()
        for connection in tuple(self._shared.connections):
            connection.tick(now)
