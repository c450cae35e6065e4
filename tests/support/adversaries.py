"""Receivers that misbehave, on loopback: each is a server whose peers follow one script.

    async with Adversary(hang) as receiver:          # or answer(b"..."), drip(...), endless(...), ...
        ... send to ("127.0.0.1", receiver.port) ...
        assert receiver.requests == [...]

A script is a coroutine function of one `Peer`, that is of one accepted connection; the connection is closed when it
returns. Everything ends with the `async with` block. `tests.support.adversary_service` runs them all in a process of
their own.
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterator
from types import TracebackType
from typing import Self

from tests.support.waiting import pause

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

Script = Callable[["Peer"], Awaitable[None]]


class Peer:
    """One accepted connection, seen from the receiver."""

    def __init__(self, receiver: "Adversary", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._receiver = receiver
        self._reader = reader
        self._writer = writer

    async def head(self) -> bytes:
        """The head of a request, b"" when the client has closed."""
        try:
            return await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def request(self) -> bytes:
        """One whole request, b"" when the client has closed; remembered in `Adversary.requests`."""
        head = await self.head()
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        request = head + await self._reader.readexactly(length)
        if request:
            self._receiver.requests.append(request)
            self._receiver.arrived.set()
        return request

    async def say(self, data: bytes) -> None:
        """Send, and wait while the client does not read."""
        self._writer.write(data)
        await self._writer.drain()

    async def byte(self) -> bytes:
        """The next byte of the request, b"" when the client has closed."""
        return await self._reader.read(1)

    async def receive(self) -> bytes:
        """What comes next, b"" when the client has closed."""
        return await self._reader.read(65_536)

    async def closed(self) -> None:
        """Wait until the client has closed, whatever it still sends."""
        while await self.receive():
            pass

    def reset(self) -> None:
        """End with RST instead of FIN."""
        connected: socket.socket = self._writer.get_extra_info("socket")
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class Adversary:
    """A server on a free port of `host`; `tls` makes it speak TLS.

    `connections` counts what was accepted, `closed_connections` what of it has ended; `requests` are the
    whole requests that came, `arrived` is set with each.
    """

    def __init__(self, script: Script, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._script = script
        self._tls = tls
        self._host = host
        self._server: asyncio.Server | None = None
        self._peers: set[asyncio.Task[None]] = set()
        self.port = 0
        self.connections = 0
        self.closed_connections = 0
        self.requests: list[bytes] = []
        self.arrived = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, self._host, self.port, ssl=self._tls, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for peer in self._peers:
            peer.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)
        await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._peers.add(task)
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._script(Peer(self, reader, writer))
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._peers.discard(task)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self.closed_connections += 1


def answer(*responses: bytes) -> Script:
    """Answer each connection's requests with these, in order, the last one for ever."""

    async def script(peer: Peer) -> None:
        number = 0
        while await peer.request():
            await peer.say(responses[min(number, len(responses) - 1)])
            number += 1

    return script


def answer_and_close(response: bytes) -> Script:
    """One answer, in one write, then FIN."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(response)

    return script


def answer_and_reset(response: bytes) -> Script:
    """Some bytes (or none), then RST."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(response)
        peer.reset()

    return script


async def reset_at_once(peer: Peer) -> None:
    """RST on accept, before any request."""
    peer.reset()


async def hang(peer: Peer) -> None:
    """Read everything, say nothing."""
    await peer.request()
    await peer.closed()


def slow_reader(seconds: float) -> Script:
    """Read one byte of the request per so many seconds."""

    async def script(peer: Peer) -> None:
        while await peer.byte():
            await pause(seconds)

    return script


def answer_before_reading(response: bytes) -> Script:
    """Some bytes at once, then RST, whatever the request."""

    async def script(peer: Peer) -> None:
        await peer.say(response)
        await peer.head()
        peer.reset()

    return script


async def deaf(peer: Peer) -> None:
    """Neither read nor write; the client's send buffer fills."""
    await asyncio.Event().wait()


def answer_after(seconds: float, response: bytes) -> Script:
    """Answer each connection's requests, but not before so many seconds."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await pause(seconds)
            await peer.say(response)

    return script


def drip(at_once: bytes, slowly: bytes, seconds: float) -> Script:
    """Some bytes at once, then one per so many seconds."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(at_once)
        for byte in slowly:
            await pause(seconds)
            await peer.say(bytes((byte,)))

    return script


def endless(prefix: bytes, again: bytes) -> Script:
    """A prefix, then the same for ever, as fast as the client reads."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(prefix)
        while True:
            await peer.say(again)

    return script


def endless_interim(seconds: float) -> Script:
    """`102 Processing` for ever, one per so many seconds."""

    async def script(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.say(b"HTTP/1.1 102 Processing\r\n\r\n")
            await pause(seconds)

    return script


@contextlib.contextmanager
def blackhole() -> Iterator[int]:
    """A port whose SYNs are dropped: its queue of unaccepted connections is full. Yields the port."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listening.getsockname())
        yield listening.getsockname()[1]
