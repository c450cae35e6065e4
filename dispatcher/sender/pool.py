"""Connections by destination: last in first out, dropped when idle too long, bounded in number over all."""

import asyncio
from collections import Counter
from collections.abc import Callable

from dispatcher.sender.connection import Connection
from dispatcher.sender.deadlines import Deadlines
from dispatcher.sender.limits import Limits
from dispatcher.sender.opening import Opening
from dispatcher.sender.tls import ClientContext
from gateway.clock import Clock
from gateway.egress import Egress


class Pool:
    """All sockets of one sender.

    A destination may have any number of connections: who sends limits what is in flight. Only the sum is
    bounded: at the bound an idle connection of any destination is given up, and if all are busy attempts
    wait, destinations in turns. The last quarter is kept for destinations with few sockets, so that slow
    receivers, however many, do not keep the others waiting.
    """

    def __init__(
        self, egress: Egress, clock: Clock, deadlines: Deadlines, tls_context: ClientContext, limits: Limits
    ) -> None:
        self.egress = egress
        self.clock = clock
        self.deadlines = deadlines
        self.tls_context = tls_context
        self.limits = limits
        self._idle: dict[str, list[Connection]] = {}
        self._connections: set[Connection] = set()
        self._openings: set[Opening] = set()
        self._waiting: dict[str, dict[Opening, None]] = {}
        self._sockets: Counter[str] = Counter()
        self._common = limits.sockets - limits.sockets // 4
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
        key = opening.destination.key
        if self._has_room(key):
            self._begin(opening)
        else:
            self._waiting.setdefault(key, {})[opening] = None
            if self._has_room(key, but=1):
                self._give_up_an_idle_one()

    def busy(self) -> list[Connection | Opening]:
        """Who owes a result."""
        return [
            *(connection for connection in self._connections if connection.busy),
            *self._openings,
            *(opening for waiting in self._waiting.values() for opening in waiting),
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
        if opening in self._openings:
            self._openings.discard(opening)
        else:
            # it had come to nothing at the same moment, and the connection will be closed
            self._sockets[connection.key] += 1
        self._connections.add(connection)

    def ended(self, opening: Opening) -> None:
        """An opening came to nothing."""
        key = opening.destination.key
        if opening in self._openings:
            self._openings.discard(opening)
            self._leave(key)
        elif opening in self._waiting.get(key, ()):
            self._stop_waiting(key, opening)
        self._serve_waiting()
        self._tell_change()

    def release(self, connection: Connection) -> None:
        """A connection is idle and may be used again."""
        idle = self._idle.get(connection.key)
        if self._waiting and self._relieve(connection):
            pass
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
        if connection in self._connections:
            self._connections.discard(connection)
            self._leave(connection.key)
        self._serve_waiting()
        self._tell_change()

    def _has_room(self, key: str, but: int = 0) -> bool:
        """Whether a destination may have another socket, or might if there were so many fewer."""
        taken = len(self._connections) + len(self._openings) - but
        if taken < self._common:
            return True
        return taken < self.limits.sockets and self._sockets[key] < self.limits.few_sockets

    def _begin(self, opening: Opening) -> None:
        self._openings.add(opening)
        self._sockets[opening.destination.key] += 1
        opening.begin()

    def _leave(self, key: str) -> None:
        self._sockets[key] -= 1
        if not self._sockets[key]:
            del self._sockets[key]

    def _stop_waiting(self, key: str, opening: Opening) -> None:
        del self._waiting[key][opening]
        if not self._waiting[key]:
            del self._waiting[key]

    def _serve_waiting(self) -> None:
        while (key := next(filter(self._has_room, self._waiting), None)) is not None:
            waiting = self._waiting.pop(key)
            opening = next(iter(waiting))
            del waiting[opening]
            if waiting:
                # to the end: the next socket is another destination's
                self._waiting[key] = waiting
            self._begin(opening)

    def _tell_change(self) -> None:
        change, self._change = self._change, None
        if change is not None and not change.done():
            change.set_result(None)

    def _relieve(self, connection: Connection) -> bool:
        """Give this socket, or the room it takes, to one that waits; False if nobody can use either."""
        waiting = self._waiting.get(connection.key)
        if waiting:
            opening = next(iter(waiting))
            self._stop_waiting(connection.key, opening)
            opening.hand_over(connection)
            return True
        useful = any(self._has_room(key, but=1) for key in self._waiting)
        if useful:
            connection.close()
        return useful

    def _give_up_an_idle_one(self) -> None:
        for idle in self._idle.values():
            if idle:
                idle.pop(0).close()
                return
