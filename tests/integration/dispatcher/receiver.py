"""A receiver in this process: raw sockets, answers as each name is told, notes what came before it answers."""

import asyncio
import dataclasses
from collections import Counter
from typing import cast

import httptools

from tests.support.waiting import until


@dataclasses.dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    name: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def attempt(self) -> int:
        return int(self.headers["webhook-attempt"])


@dataclasses.dataclass(slots=True)
class Manner:
    """How one name answers: `statuses` in turn, the last one for ever; `hold` keeps answers back."""

    statuses: tuple[int, ...] = (200,)
    headers: str = ""
    hold: bool = False
    answered: int = 0


class Receiver:
    """Listens on loopback; the path's last part is the name."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self._manners: dict[str, Manner] = {}
        self._held: list[tuple[str, asyncio.Transport]] = []
        self._connections: set[asyncio.Transport] = set()
        self._server: asyncio.Server

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=2_048)

    async def close(self) -> None:
        self._server.close()
        for transport in list(self._connections):
            transport.abort()
        await self._server.wait_closed()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{name}"

    def answer(self, name: str, *statuses: int, headers: str = "") -> None:
        """Answer so from now on; `headers` is a block of header lines."""
        self._manners[name] = Manner(statuses, headers)

    def hold(self, *names: str) -> None:
        """Note what comes and say nothing."""
        for name in names:
            self.manner(name).hold = True

    def release(self, *names: str) -> None:
        """Answer what is held, and from now on."""
        for name in names:
            self.manner(name).hold = False
        held, self._held = self._held, []
        for name, transport in held:
            self._say(name, transport)

    @property
    def held(self) -> int:
        """How many requests wait for their answers."""
        return len(self._held)

    def manner(self, name: str) -> Manner:
        return self._manners.setdefault(name, Manner())

    def take(self, transport: asyncio.Transport, received: Received) -> None:
        self.requests.append(received)
        self._say(received.name, transport)

    def _say(self, name: str, transport: asyncio.Transport) -> None:
        manner = self.manner(name)
        if manner.hold:
            self._held.append((name, transport))
            return
        status = manner.statuses[min(manner.answered, len(manner.statuses) - 1)]
        manner.answered += 1
        transport.write(b"HTTP/1.1 %d So\r\n%bcontent-length: 0\r\n\r\n" % (status, manner.headers.encode()))

    def ids(self, name: str) -> list[str]:
        """The webhook-ids at a name, in order, repetitions too."""
        return [request.id for request in self.requests if request.name == name]

    def repeated(self) -> dict[tuple[str, str], int]:
        """What came more than once."""
        counts = Counter((request.name, request.id) for request in self.requests)
        return {what: times for what, times in counts.items() if times > 1}

    async def wait(self, name: str, count: int, seconds: float = 20.0) -> None:
        await until(lambda: len(self.ids(name)) >= count, seconds, f"{count} requests at {name}")

    def connected(self, transport: asyncio.Transport) -> None:
        self._connections.add(transport)

    def disconnected(self, transport: asyncio.Transport) -> None:
        self._connections.discard(transport)


class _Connection(asyncio.Protocol):
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._parser = httptools.HttpRequestParser(self)
        self._url, self._body = b"", b""
        self._headers: dict[str, str] = {}
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._receiver.connected(self._transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._receiver.disconnected(self._transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._body, self._headers = b"", b"", {}

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        name = self._url.decode().rpartition("/")[2]
        self._receiver.take(self._transport, Received(name, self._headers, self._body))
