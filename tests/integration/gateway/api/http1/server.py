"""A listener in this loop with an application that says what it saw, and a client made of raw bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from gateway.api.http1.direct import Prepare, never
from gateway.api.http1.listener import Listener
from gateway.api.http1.shared import Times
from gateway.clock import SystemClock

QUICK = Times(new=0.3, head=0.3, idle=0.6, linger=0.2, unread=0.6)


class Echo:
    """Answers with method, path and body; `reads` False answers before the body; `gate` holds answers back."""

    def __init__(self) -> None:
        self.reads = True
        self.answers = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.seen: list[Any] = []
        self.ended = 0
        self.disconnected = asyncio.Event()
        self.extra = b""
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        body = b""
        while self.reads:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                body += b" (cut)"
                break
            body += message["body"]
            if not message["more_body"]:
                break
        await self.gate.wait()
        self.ended += 1
        if self.answers:
            answer = b"%b %b %b" % (scope["method"].encode(), scope["raw_path"], body) + self.extra
            length = (b"content-length", str(len(answer)).encode())
            await send({"type": "http.response.start", "status": 200, "headers": [length, *self.headers]})
            await send({"type": "http.response.body", "body": answer})


class Peer:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Write, as far as the other side takes it."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def answer(self, *, head_only: bool = False) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers and body of the next answer."""
        async with asyncio.timeout(15):
            head = await self.reader.readuntil(b"\r\n\r\n")
            line, *fields = head[:-4].split(b"\r\n")
            headers = dict(field.split(b": ", 1) for field in fields)
            length = 0 if head_only else int(headers.get(b"content-length", b"0"))
            return int(line.split(b" ")[1]), headers, await self.reader.readexactly(length)

    async def ends(self, seconds: float = 15.0) -> bytes:
        """What still comes until the other side closes; raises TimeoutError when it does not."""
        async with asyncio.timeout(seconds):
            with contextlib.suppress(ConnectionError):
                return await self.reader.read()
        return b""


class Served:
    """A listener and how to reach it."""

    def __init__(self, listener: Listener, port: int, echo: Echo) -> None:
        self.listener, self.port, self.echo = listener, port, echo
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Peer:
        """A new connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self._writers.append(writer)
        return Peer(reader, writer)

    async def close(self) -> None:
        """End every client and the listener."""
        for writer in self._writers:
            writer.close()
        await self.listener.close(1.0)


@contextlib.asynccontextmanager
async def serving(times: Times = QUICK, prepare: Prepare = never) -> AsyncIterator[Served]:
    """A listener on a free port."""
    echo = Echo()
    listener = Listener(echo.__call__, SystemClock(), times, prepare)
    served = Served(listener, await listener.open("127.0.0.1", 0), echo)
    try:
        yield served
    finally:
        echo.gate.set()
        await served.close()


def request(method: bytes = b"GET", path: bytes = b"/", *headers: bytes, body: bytes = b"") -> bytes:
    """The bytes of a request."""
    length = [b"Content-Length: %d" % len(body)] if body else []
    return b"\r\n".join([b"%b %b HTTP/1.1" % (method, path), b"Host: x", *length, *headers, b"", body])
