"""Sends requests: the one door of the package."""

import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path

from dispatcher.sender import tls
from dispatcher.sender.connection import Request
from dispatcher.sender.deadlines import Deadlines
from dispatcher.sender.destination import Destination
from dispatcher.sender.limits import Limits
from dispatcher.sender.opening import Opening
from dispatcher.sender.pool import Pool
from dispatcher.sender.result import Result
from gateway.clock import Clock
from gateway.egress import Egress


class SenderClosedError(Exception):
    """`send` after `close`; code `sender_closed`. No attempt was made and no result will come."""

    code = "sender_closed"


class Sender:
    """Belongs to the running event loop, which it must be made in; `egress` stays its maker's to close."""

    def __init__(
        self, egress: Egress, clock: Clock, *, ca_file: Path | None = None, limits: Limits | None = None
    ) -> None:
        limits = limits or Limits()
        self._monotonic = clock.monotonic
        self._deadlines = Deadlines(clock, asyncio.get_running_loop(), limits.tick_seconds)
        self._pool = Pool(egress, clock, self._deadlines, tls.client_context(ca_file, clock), limits)
        self._take = self._pool.take
        self._closed = False

    def send(
        self,
        destination: Destination,
        request: Request,
        deadline_seconds: float,
        done: Callable[[Result], None],
    ) -> None:
        """Make one attempt: exactly one HTTP request, or none if no connection comes about.

        `request` is the exact head and body, in one piece or several. `done` is called exactly once, from the
        event loop and never from within this call, at the latest one tick after `deadline_seconds` from now.
        """
        if self._closed:
            raise SenderClosedError
        now = self._monotonic()
        connection = self._take(destination.key, now)
        if connection is None:
            self._pool.admit(Opening(self._pool, destination, request, now, now + deadline_seconds, done))
        else:
            connection.start(request, now, now + deadline_seconds, done)

    async def close(self, grace_seconds: float) -> None:
        """Take no more; give what is in flight `grace_seconds` to end, then end it as `reset`."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_seconds):
                await self._pool.until(lambda: not self._pool.busy())
        for owing in self._pool.busy():
            owing.fail("reset", "the sender was closed before the response was complete")
        self._pool.close_idle()
        await self._pool.until(self._pool.empty)
        self._deadlines.close()
