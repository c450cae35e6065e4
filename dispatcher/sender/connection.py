"""One connection: sends a request, gives its result, is idle, sends the next.

idle -> busy (start) -> idle (answer, kept alive)
                     -> closed (answer and no reuse; failure; deadline)
idle -> closed (idle deadline, peer closed, bytes that nobody asked for)
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Sequence
from math import inf
from typing import Protocol, cast

from dispatcher.sender import tls
from dispatcher.sender.deadlines import Deadlines
from dispatcher.sender.limits import Limits
from dispatcher.sender.response import Response
from dispatcher.sender.result import AttemptError, Failed, Result
from gateway.clock import Clock

Done = Callable[[Result], None]
Request = bytes | Sequence[bytes]

logger = logging.getLogger(__name__)


class Owner(Protocol):
    """The pool, as a connection sees it."""

    clock: Clock
    deadlines: Deadlines
    limits: Limits
    tls_context: tls.ClientContext

    def release(self, connection: "Connection") -> None:
        """The connection is idle and may be used again."""
        ...

    def gone(self, connection: "Connection") -> None:
        """The connection is closed."""
        ...


class Connection(asyncio.Protocol):
    """One TCP or TLS connection to one vetted address; `key` is its destination's."""

    __slots__ = (
        "_deadlines",
        "_done",
        "_idle_seconds",
        "_limits",
        "_monotonic",
        "_owner",
        "_response",
        "_socket",
        "_started",
        "_transport",
        "_used",
        "deadline",
        "idle_since",
        "key",
        "remote_address",
        "watched",
    )

    _transport: asyncio.Transport

    def __init__(self, owner: Owner, key: str, connected: socket.socket, remote_address: str) -> None:
        self._owner = owner
        self._monotonic = owner.clock.monotonic
        self._deadlines = owner.deadlines
        self._limits = owner.limits
        self._socket = connected
        self._response = Response(owner.limits)
        self._done: Done | None = None
        self._started = 0.0
        self._used = False
        self._idle_seconds = owner.limits.idle_seconds
        self.key = key
        self.remote_address = remote_address
        self.idle_since = 0.0
        self.deadline = inf
        self.watched = inf

    def start(self, request: Request, started: float, deadline: float, done: Done) -> None:
        """Send `request`; `done` gets its result, once. Only for an idle connection that is `usable`."""
        self._done = done
        self._started = started
        self.deadline = deadline
        if deadline < self.watched:
            self._deadlines.watch(self)
        if isinstance(request, bytes):
            self._transport.write(request)
        else:
            self._transport.writelines(request)

    def usable(self, now: float) -> bool:
        """Whether an idle connection is open, as far as can be known without sending."""
        if self._transport.is_closing() or now >= self.deadline:
            return False
        return now - self.idle_since < self._limits.peek_after_seconds or self._silent()

    @property
    def busy(self) -> bool:
        """Whether a result is owed."""
        return self._done is not None

    @property
    def closing(self) -> bool:
        """Whether the transport is closed or being closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Close; politely if nothing is left to be sent."""
        if self._transport.get_write_buffer_size():
            self._transport.abort()
        else:
            self._transport.close()

    def fail(self, error: AttemptError, detail: str) -> None:
        """Close at once and give the result of a busy connection."""
        self._transport.abort()
        done, self._done = self._done, None
        if done is not None:
            duration_ms = (self._monotonic() - self._started) * 1000.0
            call(done, Failed(error, detail, self.remote_address, duration_ms))

    def expire(self) -> None:
        """The attempt's or the idle time's end."""
        if self._done is None:
            self.close()
        else:
            self.fail("deadline", f"the total deadline passed {self._progress()}")

    # What follows is called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._done is None:
            # An answer before its request could only be one that is meant to be taken for another's.
            self._transport.abort()
            return
        response = self._response
        response.feed(data)
        if response.complete:
            self._answer()
        elif response.failure is not None:
            self.fail(*response.failure)

    def eof_received(self) -> None:
        if self._done is None:
            return
        if self._response.end():
            self._answer()
        else:
            self.fail("reset", f"the receiver closed the connection {self._progress()}")

    def connection_lost(self, exc: Exception | None) -> None:
        self._owner.gone(self)
        self._deadlines.forget(self)
        if self._done is None:
            return
        if isinstance(exc, ssl.SSLError):
            self.fail("tls", tls.describe(exc))
        else:
            self.fail("reset", f"the connection broke {self._progress()}: {exc or 'closed'}")

    def _answer(self) -> None:
        now = self._monotonic()
        response = self._response
        result = response.answered(self.remote_address, (now - self._started) * 1000.0)
        done = cast("Done", self._done)
        self._done = None
        if not self._used:
            self._used = True
            self._heed_announcement()
            encrypted = self._transport.get_extra_info("ssl_object")
            if encrypted is not None:
                self._owner.tls_context.remember(encrypted)
        # A request that is not written in full leaves the connection in the middle of it.
        if response.keep_alive and self._idle_seconds > 0 and not self._transport.get_write_buffer_size():
            response.reset()
            self.idle_since = now
            self.deadline = now + self._idle_seconds
            if self.deadline < self.watched:
                self._deadlines.watch(self)
            self._owner.release(self)
        else:
            self.close()
        call(done, result)

    def _heed_announcement(self) -> None:
        announced = self._response.announced_idle_seconds()
        if announced is not None:
            self._idle_seconds = min(self._idle_seconds, announced - self._limits.keep_alive_margin_seconds)

    def _silent(self) -> bool:
        """Whether the kernel holds neither bytes nor an end of stream that the event loop has not seen yet."""
        try:
            self._socket.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def _progress(self) -> str:
        if self._response.status:
            return "in the middle of the response body"
        if self._response.begun:
            return "in the middle of the response head"
        if self._transport.get_write_buffer_size():
            return "before the request was sent in full"
        return "before any byte of the response" + (" on a connection kept alive" if self._used else "")


def call(done: Done, result: Result) -> None:
    """Give a result; an error of the receiver of results must not harm the connection."""
    try:
        done(result)
    except Exception:
        logger.exception("the callback of an attempt failed")
