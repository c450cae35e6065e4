"""A forward proxy that speaks CONNECT, as an operator may have one between the dispatcher and the world.

    async with ConnectProxy() as proxy:
        ... Egress(proxy=parse(f"http://127.0.0.1:{proxy.port}")) ...
        assert proxy.targets == ["127.0.0.1:8443"]

`names` are those that it resolves, `credentials` what Proxy-Authorization must say, `answer` what it says to every
CONNECT instead of connecting.

    python -m tests.support.connect_proxy CREDENTIALS NAME ADDRESS     # prints {"port"}, then {"target"} for each
"""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from tests.support.adversaries import Adversary, Peer

ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectProxy:
    """On a free port of 127.0.0.1."""

    def __init__(self, *, credentials: str = "", answer: bytes = b"", established: bytes = ESTABLISHED) -> None:
        self.credentials = credentials
        self.answer = answer
        self.established = established
        self.names: dict[str, str] = {}
        self.unreachable: set[str] = set()
        self.targets: list[str] = []
        self.on_target: Callable[[str], object] = lambda _target: None
        self.heads: list[bytes] = []
        self._server = Adversary(self._serve)

    async def __aenter__(self) -> Self:
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.port

    @property
    def connections(self) -> int:
        """How many it has accepted."""
        return self._server.connections

    async def _serve(self, peer: Peer) -> None:
        head = await peer.head()
        self.heads.append(head)
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        assert method == "CONNECT", head
        self.targets.append(target)
        self.on_target(target)
        if self.answer:
            await peer.say(self.answer)
        elif self.credentials and f"proxy-authorization: {self.credentials}\r\n".encode() not in head:
            await peer.say(b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n")
        elif target in self.unreachable:
            await peer.say(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
        else:
            await self._join(peer, *target.rsplit(":", 1))
            return
        await peer.closed()

    async def _join(self, peer: Peer, host: str, port: str) -> None:
        address = self.names.get(host, host).strip("[]")
        reader, writer = await asyncio.open_connection(address, int(port))
        await peer.say(self.established)
        there = asyncio.ensure_future(_pour(peer.receive, writer))
        try:
            while piece := await reader.read(65_536):
                await peer.say(piece)
        finally:
            there.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await there
            writer.close()


async def _pour(receive: Callable[[], Awaitable[bytes]], writer: asyncio.StreamWriter) -> None:
    while piece := await receive():
        writer.write(piece)
        await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


def _print(**values: object) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


async def _run(credentials: str, name: str, address: str) -> None:
    async with ConnectProxy(credentials=credentials) as proxy:
        proxy.names[name] = address
        proxy.on_target = lambda target: _print(target=target)
        _print(port=proxy.port)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
