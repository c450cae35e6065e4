"""A receiver in this process: it notes what comes in, under the last part of the path, before it answers."""

import asyncio
import dataclasses
from collections import Counter

from tests.support.waiting import until


@dataclasses.dataclass(frozen=True, slots=True)
class Request:
    """One request at one name."""

    name: str
    headers: dict[str, str]
    at: float

    @property
    def id(self) -> str:
        """Its webhook-id."""
        return self.headers["webhook-id"]


class Receiving:
    """Answers 200, or `statuses[name]`; while `hold` is set it notes and does not answer.

    `failing` counts by webhook-id how many more requests are answered with 500.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.statuses: dict[str, int] = {}
        self.failing: Counter[str] = Counter()
        self.hold = False
        self._go = asyncio.Event()
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen on loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)

    async def close(self) -> None:
        """Drop everything."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def release(self) -> None:
        """Answer what is held and everything from now on."""
        self.hold = False
        self._go.set()
        self._go = asyncio.Event()

    def url(self, name: str) -> str:
        """The URL to register."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/{name}"

    def ids(self, name: str) -> list[str]:
        """The webhook-ids that came to a name, in order, repetitions too."""
        return [request.id for request in self.requests if request.name == name]

    async def wait(self, name: str, count: int, seconds: float = 20.0) -> None:
        """Wait until so many requests have come to a name."""
        await until(lambda: len(self.ids(name)) >= count, seconds, f"{count} requests at {name}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        await reader.readexactly(int(headers.get("content-length", "0")))
        name = head[0].split(" ")[1].rpartition("/")[2]
        request = Request(name, headers, asyncio.get_running_loop().time())
        self.requests.append(request)
        if self.hold:
            await self._go.wait()
        status = self.statuses.get(name, 200)
        if self.failing[request.id]:
            self.failing[request.id] -= 1
            status = 500
        writer.write(b"HTTP/1.1 %d Answer\r\ncontent-length: 0\r\n\r\n" % status)
        await writer.drain()
        return True
