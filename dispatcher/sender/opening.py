"""One attempt that found no idle connection: vet the name, connect, shake hands, then send.

waiting (for a socket) -> resolving -> connecting or tunnelling -> handshaking -> handed over to a connection
      any of them -> failed (its own error, or the deadline's)
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from math import inf
from typing import Literal, Protocol

from dispatcher.sender import tls, tunnel
from dispatcher.sender.connecting import connect
from dispatcher.sender.connection import Connection, Done, Owner, Request, call
from dispatcher.sender.destination import Destination
from dispatcher.sender.result import AttemptError, Failed
from gateway.egress import AddressBlocked, Egress, NameNotResolved, Proxy
from gateway.egress.proxies import authority

logger = logging.getLogger(__name__)

# How long a TLS connection may take to say good-bye after its last answer.
_TLS_SHUTDOWN_SECONDS = 1.0

Phase = Literal["waiting", "resolving", "connecting", "tunnelling", "handshaking"]
Failure = tuple[AttemptError, str]

# Where the closed set has a word for the phase in which the deadline passed, that word says more.
_AT_DEADLINE: dict[Phase, Failure] = {
    "waiting": ("deadline", "the total deadline passed while waiting for a free socket"),
    "resolving": ("dns", "the total deadline passed while resolving the name"),
    "connecting": ("connect_timeout", "the total deadline passed while connecting"),
    "tunnelling": ("connect_timeout", "the total deadline passed while connecting through the egress proxy"),
    "handshaking": ("deadline", "the total deadline passed in the TLS handshake"),
}


class Slots(Owner, Protocol):
    """The pool, as an opening sees it."""

    egress: Egress

    def opened(self, opening: "Opening", connection: Connection) -> None:
        """The opening's socket is this connection now."""
        ...

    def ended(self, opening: "Opening") -> None:
        """The opening came to nothing."""
        ...


class Opening:
    """An attempt until a connection has it; gives the result only if it fails before that."""

    __slots__ = (
        "_address",
        "_done",
        "_phase",
        "_pool",
        "_request",
        "_started",
        "_task",
        "deadline",
        "destination",
        "watched",
    )

    def __init__(
        self, pool: Slots, destination: Destination, request: Request, started: float, deadline: float, done: Done
    ) -> None:
        self._pool = pool
        self._request = request
        self._started = started
        self._done: Done | None = done
        self._phase: Phase = "waiting"
        self._address = ""
        self._task: asyncio.Task[None] | None = None
        self.destination = destination
        self.deadline = deadline
        self.watched = inf
        pool.deadlines.watch(self)

    def begin(self) -> None:
        """A socket is free: open a connection."""
        self._phase = "resolving"
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hand_over(self, connection: Connection) -> None:
        """Send on this connection, which gives the result; one that comes too late is closed."""
        done, self._done = self._done, None
        self._pool.deadlines.forget(self)
        if done is None:
            connection.close()
        else:
            connection.start(self._request, self._started, self.deadline, done)

    def expire(self) -> None:
        """The attempt's deadline."""
        self.fail(*_AT_DEADLINE[self._phase])

    def fail(self, error: AttemptError, detail: str) -> None:
        """Give up, and give the result."""
        done, self._done = self._done, None
        if done is None:
            return
        self._pool.deadlines.forget(self)
        self._pool.ended(self)
        if self._task is not None:
            self._task.cancel()
        duration_ms = (self._pool.clock.monotonic() - self._started) * 1000.0
        call(done, Failed(error, detail, self._address, duration_ms))

    async def _run(self) -> None:
        try:
            connection = await self._open()
        except Exception as error:  # noqa: BLE001 - whatever it is, the attempt must have a result
            self._task = None
            self.fail(*classify(self._phase, error))
        else:
            self._pool.opened(self, connection)
            self.hand_over(connection)

    async def _open(self) -> Connection:
        url = self.destination.url
        egress = self._pool.egress
        addresses = await egress.vet(url, self.destination.kind)
        if egress.proxy is None:
            self._phase = "connecting"
            connected = await self._connect(addresses, url.port)
        else:
            self._phase = "tunnelling"
            connected = await self._tunnel(egress.proxy, addresses, url.port)
        self._phase = "handshaking"
        return await self._shake_hands(connected)

    async def _connect(self, addresses: Sequence[str], port: int) -> socket.socket:
        """The first of the vetted addresses that accepts, each with its own time limit."""
        failure: OSError = OSError("no address")
        for address in addresses:
            self._address = address
            try:
                return await connect(address, port, self._pool.limits.connect_seconds)
            except OSError as error:
                failure = error
        raise failure

    async def _tunnel(self, proxy: Proxy, targets: Sequence[str], port: int) -> socket.socket:
        """The same through the proxy; a target is a name where the checks are the proxy's."""
        failure = tunnel.TunnelError("dns", "no address")
        for target in targets:
            self._address = target if self._pool.egress.checks == "ours" else self.destination.url.address or ""
            try:
                return await tunnel.dig(
                    self._pool.egress, proxy, authority(target, port), self._pool.limits.connect_seconds
                )
            except tunnel.TunnelError as error:
                failure = error
            if not failure.elsewhere:
                break
        raise failure

    async def _shake_hands(self, connected: socket.socket) -> Connection:
        url = self.destination.url
        connection = Connection(self._pool, self.destination.key, connected, self._address)
        encrypted = url.scheme == "https"
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                sock=connected,
                ssl=self._pool.tls_context if encrypted else None,
                server_hostname=url.host if encrypted else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_SECONDS if encrypted else None,
            )
        except BaseException:
            connected.close()
            raise
        if connection.closing:
            raise ConnectionResetError("closed before the request was sent")
        return connection


def classify(phase: Phase, error: Exception) -> Failure:
    """The word of the closed set for what went wrong in a phase."""
    match error:
        case NameNotResolved():
            return "dns", error.reason
        case AddressBlocked():
            return "address_blocked", error.reason
        case tunnel.TunnelError():
            return error.error, error.detail
        case ssl.SSLError():
            return "tls", tls.describe(error)
        case TimeoutError() if phase == "connecting":
            return "connect_timeout", "the address did not answer"
        # a reset can only follow an acceptance: a refusal has a word of its own
        case OSError() if phase == "connecting" and not isinstance(error, ConnectionResetError):
            return "connect_refused", error.strerror or str(error)
        case OSError():
            return "reset", f"the connection broke while it was set up: {error.strerror or error}"
        case _:
            logger.error("opening a connection failed in an unforeseen way", exc_info=error)
            return ("tls" if phase == "handshaking" else "dns"), repr(error)
