"""A counting receiver as its own process, cheaper than the sink of the tests: it reads lengths and instants, no more.

    python -m tests.bench.receiver [--host 0.0.0.0] [--certificate PEM] [--answer-bytes 2048] [--close]

It prints {"port", "control"} when it listens, and speaks the sink's orders `stats` and `reset`. With a certificate it
speaks TLS; with `--close` every connection ends with its first answer.
"""

import argparse
import asyncio
import gc
import json
import re
import ssl
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.support.process import Process
from tests.support.sink import Sink
from tests.support.sink_process import SinkProcess

_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]+)\r\n", re.IGNORECASE)
_END = b"\r\n\r\n"


class Counting(asyncio.Protocol):
    """One connection: whole requests with a length, one after the other."""

    def __init__(self, sink: Sink, answer: bytes, *, closes: bool) -> None:
        self._sink, self._answer, self._closes = sink, answer, closes
        self._read = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accepted."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Some of a request."""
        self._read = data = self._read + data if self._read else data
        head = data.find(_END) + len(_END)
        found = _LENGTH.search(data, 0, head) if head >= len(_END) else None
        if found is None or len(data) < head + int(found[1]):
            return
        self._read = b""
        self._sink.count(data)
        self._transport.write(self._answer)
        if self._closes:
            self._transport.close()


class Receiver(SinkProcess):
    """Starts one; `options` are its arguments."""

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        super().__init__(directory, ledger=False)
        self.process = Process("receiver", ["tests.bench.receiver", *options], directory)
        self._scheme = "https" if "--certificate" in options else "http"

    def url(self, endpoint: str, host: str = "127.0.0.1") -> str:
        """The URL to register for an endpoint."""
        return f"{self._scheme}://{host}:{self._ports['port']}/{endpoint}"


def _control(sink: Sink, order: dict[str, Any]) -> dict[str, Any]:
    if order["op"] == "reset":
        sink.reset()
    return sink.stats()


async def _serve(given: argparse.Namespace) -> None:
    sink = Sink(None, 1)
    last = b"connection: close\r\n" if given.close else b""
    answer = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n" % (last, given.answer_bytes) + b"x" * given.answer_bytes
    context = None
    if given.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(given.certificate)

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(_control(sink, json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    server = await asyncio.get_running_loop().create_server(
        lambda: Counting(sink, answer, closes=given.close), given.host, 0, backlog=1024, ssl=context
    )
    orders = await asyncio.start_server(control, "127.0.0.1", 0)
    ports = {"port": server.sockets[0].getsockname()[1], "control": orders.sockets[0].getsockname()[1]}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.receiver")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--certificate", type=Path, help="PEM with certificate and key")
    parser.add_argument("--answer-bytes", type=int, default=0)
    parser.add_argument("--close", action="store_true")
    given = parser.parse_args()
    gc.disable()
    uvloop.run(_serve(given))


if __name__ == "__main__":
    main()
