"""Connections by destination: last in first out, dropped when idle too long, bounded in number over all."""

import asyncio
import ssl
from collections.abc import Callable

from dispatcher.sender.connection import Connection
from dispatcher.sender.deadlines import Deadlines
from dispatcher.sender.limits import Limits
from dispatcher.sender.opening import Opening
from gateway.clock import Clock
from gateway.egress import Egress


class Pool:
    """All sockets of one sender.

    A destination may have any number of connections: who sends limits what is in flight. Only the sum is
    bounded: at the bound an idle connection of any destination is given up, and if all are busy attempts
    wait in order.
    """

    def __init__(
        self, egress: Egress, clock: Clock, deadlines: Deadlines, tls_context: ssl.SSLContext, limits: Limits
    ) -> None:
        self.egress = egress
        self.clock = clock
        self.deadlines = deadlines
        self.tls_context = tls_context
        self.limits = limits
        self._idle: dict[str, list[Connection]] = {}
        self._connections: set[Connection] = set()
        self._openings: set[Opening] = set()
        self._waiting: dict[Opening, None] = {}
        self._change: asyncio.Future[None] | None = None

    def take(self, key: str, now: float) -> Connection | None:
        """An idle connection to this destination, the most recently used one."""
        idle = self._idle.get(key)
        while idle:
            connection = idle.pop()
            if connection.usable(now):
                return connection
            connection.close()
        return None

    def admit(self, opening: Opening) -> None:
        """Open a connection as soon as the number of sockets allows."""
        if self._full():
            self._waiting[opening] = None
            self._give_up_an_idle_one()
        else:
            self._begin(opening)

    def busy(self) -> list[Connection | Opening]:
        """Who owes a result."""
        return [
            *(connection for connection in self._connections if connection.busy),
            *self._openings,
            *self._waiting,
        ]

    def close_idle(self) -> None:
        """Close what is not busy."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
        self._idle.clear()

    def empty(self) -> bool:
        """Whether no socket is left."""
        return not (self._connections or self._openings or self._waiting)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition that only results and closed sockets change; for one caller at a time."""
        while not condition():
            self._change = asyncio.get_running_loop().create_future()
            await self._change

    # What follows is called by connections and openings.

    def opened(self, opening: Opening, connection: Connection) -> None:
        """An opening's socket is a connection now."""
        self._openings.discard(opening)
        self._connections.add(connection)

    def ended(self, opening: Opening) -> None:
        """An opening came to nothing."""
        self._waiting.pop(opening, None)
        self._openings.discard(opening)
        self._serve_waiting()
        self._tell_change()

    def release(self, connection: Connection) -> None:
        """A connection is idle and may be used again."""
        idle = self._idle.get(connection.key)
        if self._waiting:
            self._relieve(connection)
        elif idle is None:
            self._idle[connection.key] = [connection]
        elif len(idle) < self.limits.idle_per_destination:
            idle.append(connection)
        else:
            connection.close()
        if self._change is not None:
            self._tell_change()

    def gone(self, connection: Connection) -> None:
        """A connection is closed."""
        idle = self._idle.get(connection.key)
        if idle is not None:
            if connection in idle:
                idle.remove(connection)
            if not idle:
                del self._idle[connection.key]
        self._connections.discard(connection)
        self._serve_waiting()
        self._tell_change()

    def _full(self) -> bool:
        return len(self._connections) + len(self._openings) >= self.limits.sockets

    def _begin(self, opening: Opening) -> None:
        self._openings.add(opening)
        opening.begin()

    def _serve_waiting(self) -> None:
        while self._waiting and not self._full():
            opening = next(iter(self._waiting))
            del self._waiting[opening]
            self._begin(opening)

    def _tell_change(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    def _relieve(self, connection: Connection) -> None:
        """Somebody waits for a socket: let the first have this one, or the room it takes."""
        opening = next(iter(self._waiting))
        if opening.destination.key == connection.key:
            del self._waiting[opening]
            opening.hand_over(connection)
        else:
            connection.close()

    def _give_up_an_idle_one(self) -> None:
        for idle in self._idle.values():
            if idle:
                idle.pop(0).close()
                return
