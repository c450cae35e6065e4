"""What the connections of one listener share."""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, Protocol

from gateway.api.http1.exchange import Exchange

READ_BYTES = 65_536
App = Callable[[MutableMapping[str, Any], Any, Any], Coroutine[Any, Any, None]]


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

    def __init__(self, app: App, loop: asyncio.AbstractEventLoop, times: Times) -> None:
        self.app = app
        self.times = times
        self.loop = loop
        self.buffer = memoryview(bytearray(READ_BYTES))
        self.connections: set[Kept] = set()
        self.running = 0
        self.idle = asyncio.Event()
        self.draining = False
        self.date = b""

    def start(self, exchange: Exchange) -> None:
        """Call the application."""
        self.running += 1
        exchange.task = self.loop.create_task(self._call(exchange))

    async def _call(self, exchange: Exchange) -> None:
        try:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        finally:
            self.running -= 1
            exchange.task = None
            exchange.abandon()
            if self.draining and not self.running:
                self.idle.set()
