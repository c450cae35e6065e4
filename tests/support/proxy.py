"""A TCP proxy between the system and its store (or anything else) that loses, delays, cuts and breaks.

    with Proxy(server.port) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}/0"
        proxy.lose_reply(b"EVALSHA")     # the next request with these bytes is executed, its reply never arrives
        proxy.delay(0.2); proxy.drop(); proxy.mute(); proxy.reset(); proxy.refuse(); proxy.heal()

It runs in a thread with a loop of its own, so that tests of either colour can use it. Requests are what the client
sends, replies what the server sends.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self

from tests.support.waiting import pause, wait_until

_CHUNK = 65_536


class Proxy:
    """Forwards 127.0.0.1:`port` to 127.0.0.1:`target`, faithfully until told otherwise."""

    def __init__(self, target: int, port: int = 0) -> None:
        self.target = target
        self.port = port
        self.connections = 0
        self.lost_replies = 0
        self.round_trips = 0
        """How often a client spoke and was answered, whatever the number of commands."""
        self._delay = 0.0
        self._dropping = False
        self._refusing = False
        self._halving = False
        self._losing: bytes | None = None
        self._dropping_from: bytes | None = None
        self._muting_from: bytes | None = None
        self._mute = False
        self._loop = asyncio.new_event_loop()
        self._pairs: set[_Pair] = set()
        self._ready = threading.Event()
        self._stopped = asyncio.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stopped.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """`redis://` URL through the proxy."""
        return f"redis://127.0.0.1:{self.port}/0"

    def delay(self, seconds: float) -> None:
        """Every chunk of both directions waits so long before it goes on."""
        self._delay = seconds

    def drop(self) -> None:
        """Swallow all bytes of both directions; connections stay open, as with a dead peer."""
        self._dropping = True

    def drop_from(self, request: bytes) -> None:
        """From the next request that contains these bytes on, swallow everything."""
        self._dropping_from = request

    def is_dropping(self) -> bool:
        """Whether bytes are swallowed now."""
        return self._dropping

    def mute(self) -> None:
        """Let requests through and swallow the replies; connections stay open."""
        self._mute = True

    def mute_from(self, request: bytes) -> None:
        """The same from the next request that contains these bytes on."""
        self._muting_from = request

    def refuse(self) -> None:
        """Reset every connection, also new ones, until healed."""
        self._refusing = True
        self.reset()

    def halve(self) -> None:
        """Forward only the first half of the next request's bytes, then reset its connection."""
        self._halving = True

    def lose_reply(self, request: bytes) -> None:
        """Of the next request that contains these bytes: let it through, swallow what comes back, reset."""
        self._losing = request

    def reset(self) -> None:
        """Reset every connection once."""
        self._call(self._reset_all)

    def heal(self) -> None:
        """Forward faithfully again; what was swallowed is gone."""
        self._delay = 0.0
        self._dropping = self._refusing = self._halving = self._mute = False
        self._losing = self._dropping_from = self._muting_from = None

    def wait_lost(self, count: int = 1, seconds: float = 10.0) -> None:
        """Wait until so many replies were lost."""
        wait_until(lambda: self.lost_replies >= count, seconds, f"{count} lost replies")

    def _reset_all(self) -> None:
        for pair in list(self._pairs):
            pair.reset()

    def _call(self, action: Callable[[], object]) -> None:
        done = threading.Event()

        def act() -> None:
            action()
            done.set()

        self._loop.call_soon_threadsafe(act)
        done.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stopped.wait()
        server.close()
        self._reset_all()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self._refusing:
            return _reset(writer)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return _reset(writer)
        pair = _Pair(writer, far_writer)
        self._pairs.add(pair)
        try:
            await asyncio.gather(self._requests(reader, pair), self._replies(far_reader, pair))
        finally:
            self._pairs.discard(pair)
            pair.reset()

    async def _requests(self, reader: asyncio.StreamReader, pair: "_Pair") -> None:
        async for chunk in _chunks(reader):
            self.round_trips += not pair.asked
            pair.asked = True
            await self._linger()
            self._look(chunk, pair)
            if self._dropping:
                continue
            if self._halving:
                self._halving = False
                pair.server.write(chunk[: len(chunk) // 2])
                await _flushed(pair.server)
                break
            pair.server.write(chunk)
        pair.reset()

    def _look(self, chunk: bytes, pair: "_Pair") -> None:
        """Begin what was to begin with a request that contains certain bytes."""
        if self._dropping_from is not None and self._dropping_from in chunk:
            self._dropping = True
        if self._muting_from is not None and self._muting_from in chunk:
            self._mute = True
        if self._losing is not None and self._losing in chunk:
            self._losing = None
            pair.losing = True

    async def _replies(self, reader: asyncio.StreamReader, pair: "_Pair") -> None:
        async for chunk in _chunks(reader):
            pair.asked = False
            await self._linger()
            if pair.losing:
                self.lost_replies += 1
                break
            if not (self._dropping or self._mute):
                pair.client.write(chunk)
        pair.reset()

    async def _linger(self) -> None:
        if self._delay:
            await pause(self._delay)


class _Pair:
    """The two sides of one proxied connection."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.client = client
        self.server = server
        self.losing = False
        self.asked = False

    def reset(self) -> None:
        """RST to both."""
        _reset(self.client)
        _reset(self.server)


def _reset(writer: asyncio.StreamWriter) -> None:
    handle = writer.get_extra_info("socket")
    if handle is not None and not writer.is_closing():
        with contextlib.suppress(OSError):
            handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


async def _flushed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.drain()


async def _chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            yield chunk
