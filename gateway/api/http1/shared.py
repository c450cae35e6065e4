"""What the connections of one listener share."""

import asyncio
import dataclasses
from typing import Protocol

from gateway.api.http1.direct import App, Prepare, never
from gateway.api.http1.exchange import Exchange

READ_BYTES = 65_536


class Kept(Protocol):
    """A connection, as its listener keeps it."""

    def tick(self, now: float) -> None:
        """Look whether its time is over; `now` is the loop's time."""
        ...

    def drain(self) -> None:
        """End it with the last answer that is due."""
        ...

    def close(self) -> None:
        """Close it once what was written has left."""
        ...

    def abort(self) -> None:
        """Cut it off."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Times:
    """Limits of a connection in seconds; see the package."""

    new: float = 5.0
    head: float = 5.0
    idle: float = 10.0
    linger: float = 1.0
    unread: float = 30.0


class Shared:
    """What all connections of a listener share.

    `buffer` is filled and consumed within one callback; `running` counts requests, `idle` is set when the last one ends
    while draining.
    """

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, times: Times, prepare: Prepare = never) -> None:
        self.app = app
        self.prepare = prepare
        self.times = times
        self.loop = loop
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.connections: set[Kept] = set()
        self.running = 0
        self.idle = asyncio.Event()
        self.draining = False
        self.date = b""

    def start(self, exchange: Exchange, app: App | None = None) -> None:
        """Call the application, or another one in its place."""
        self.running += 1
        exchange.task = self.loop.create_task(self._call(exchange, app or self.app))

    async def _call(self, exchange: Exchange, app: App) -> None:
        try:
            await app(exchange.scope, exchange.receive, exchange.send)
        finally:
            exchange.task = None
            exchange.abandon()
            self.ended()

    def ended(self) -> None:
        """A request has ended."""
        self.running -= 1
        if self.draining and not self.running:
            self.idle.set()
