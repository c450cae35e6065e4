"""A receiver of webhooks as its own process: a raw protocol on httptools and uvloop, far cheaper than what it tests.

    python -m tests.support.sink [--ledger FILE]     # prints {"port", "control"} when it listens

The path's last part names the endpoint. Without a ledger it only counts and takes the latency of each request from the
instant in its payload. With one, it verifies the signature and appends a line to the ledger before it answers: the
lines of one turn of the loop are written together, then their answers leave.

The control port speaks JSON lines: `{"op": "stats" | "reset" | "configure", ...}`; see `Endpoint` for what can be set.
"""

import argparse
import asyncio
import hashlib
import json
import os
import random
import re
import sys
import time
from array import array
from pathlib import Path
from typing import Any, cast

import httptools
import uvloop

from receivers import VerificationError, Verifier
from tests.support.samples import intended_ns, percentiles

_PHRASES = {200: b"OK", 204: b"No Content", 400: b"Bad Request", 410: b"Gone", 429: b"Too Many", 500: b"Error"}
_DATA = b',"data":'
_SUBJECT = re.compile(rb'"subject":"([^"]*)"')


class Endpoint:
    """How one endpoint answers.

    `status` unless it fails; `fail` is the share of requests answered `fail_status`, `fail_every_second` fails every
    second first attempt (never many in a row, so no breaker opens); `latency_ms` before each answer; `hold` keeps
    answers back until it is set to false again; `headers` is a block of header lines.
    """

    def __init__(self, seed: int) -> None:
        self.status = 200
        self.fail = 0.0
        self.fail_every_second = False
        self.fail_status = 500
        self.latency_ms = 0.0
        self.hold = False
        self.headers = ""
        self.secrets: list[str] = []
        self.tolerance_seconds = 300.0
        self.verifier: Verifier | None = None
        self.received = 0
        self.held: list[tuple[asyncio.Transport, bytes]] = []
        self._random = random.Random(seed)
        self._fails_next = False

    def configure(self, changes: dict[str, Any]) -> None:
        """Set any of the public values; `secrets` is a list of `whsec_` texts, `tolerance_seconds` for their check."""
        self.secrets = changes.pop("secrets", self.secrets)
        self.tolerance_seconds = changes.pop("tolerance_seconds", self.tolerance_seconds)
        if self.secrets:
            self.verifier = Verifier(self.secrets, tolerance_seconds=self.tolerance_seconds)
        for name, value in changes.items():
            if not isinstance(value, type(getattr(self, name))):
                raise TypeError(f"{name} is {value!r}")
            setattr(self, name, value)
        if not self.hold:
            held, self.held = self.held, []
            for transport, answer in held:
                _write(transport, answer)

    def choose(self, attempt: int) -> int:
        """The status of the next answer."""
        if self.fail_every_second and attempt == 1:
            self._fails_next = not self._fails_next
            return self.fail_status if self._fails_next else self.status
        return self.fail_status if self.fail and self._random.uniform(0, 1) < self.fail else self.status

    def answer(self, status: int) -> bytes:
        """The whole answer; its body is empty."""
        phrase = _PHRASES.get(status, b"Answer")
        return b"HTTP/1.1 %d %b\r\n%bcontent-length: 0\r\n\r\n" % (status, phrase, self.headers.encode())


class Sink:
    """What all connections share."""

    def __init__(self, ledger: Path | None, seed: int) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.latencies = array("q")
        self.received = 0
        self.first_ns = 0
        self.last_ns = 0
        self._seed = seed
        self._fd = os.open(ledger, os.O_CREAT | os.O_APPEND | os.O_WRONLY) if ledger else -1
        self._lines: list[str] = []
        self._answers: list[tuple[asyncio.Transport, Endpoint, bytes]] = []

    def endpoint(self, name: str) -> Endpoint:
        """The endpoint of that name, made on first use."""
        found = self.endpoints.get(name)
        if found is None:
            found = self.endpoints[name] = Endpoint(self._seed + len(self.endpoints))
        return found

    def count(self, body: bytes) -> None:
        """One request without a ledger."""
        now = time.monotonic_ns()
        intended = intended_ns(body)
        if intended is not None:
            self.latencies.append(now - intended)
        self.received += 1
        self.first_ns = self.first_ns or now
        self.last_ns = now

    def record(self, transport: asyncio.Transport, name: str, headers: dict[str, str], body: bytes) -> None:
        """One request with a ledger; its answer leaves after the line is written."""
        endpoint = self.endpoint(name)
        endpoint.received += 1
        self.count(body)
        attempt = int(headers.get("webhook-attempt", "0"))
        status = endpoint.choose(attempt)
        line = {
            "webhook-id": headers.get("webhook-id", ""),
            "endpoint": name,
            "attempt": attempt,
            "sha256": hashlib.sha256(payload(body)).hexdigest(),
            "signature_ok": _verified(endpoint.verifier, body, headers),
            "status": status,
            "t": time.time_ns() / 1e9,
        }
        if "webhook-sequence" in headers:
            line |= {"key": ordering_key(body), "sequence": int(headers["webhook-sequence"])}
        if not self._lines:
            asyncio.get_running_loop().call_soon(self._flush)
        self._lines.append(json.dumps(line))
        self._answers.append((transport, endpoint, endpoint.answer(status)))

    def _flush(self) -> None:
        lines, answers = self._lines, self._answers
        self._lines, self._answers = [], []
        os.write(self._fd, ("\n".join(lines) + "\n").encode())
        for transport, endpoint, answer in answers:
            if endpoint.hold:
                endpoint.held.append((transport, answer))
            elif endpoint.latency_ms:
                asyncio.get_running_loop().call_later(endpoint.latency_ms / 1e3, _write, transport, answer)
            else:
                _write(transport, answer)

    def stats(self) -> dict[str, Any]:
        """Counts, seconds between first and last request, latencies in milliseconds, own CPU seconds."""
        return {
            "received": self.received,
            "seconds": (self.last_ns - self.first_ns) / 1e9,
            "first_ns": self.first_ns,
            "last_ns": self.last_ns,
            "latency_ms": percentiles(self.latencies),
            "endpoints": {name: endpoint.received for name, endpoint in self.endpoints.items()},
            "cpu_seconds": time.process_time(),
        }

    def reset(self) -> None:
        """Count from zero again; settings stay."""
        self.latencies = array("q")
        self.received = self.first_ns = self.last_ns = 0
        for endpoint in self.endpoints.values():
            endpoint.received = 0


def _write(transport: asyncio.Transport, answer: bytes) -> None:
    if not transport.is_closing():
        transport.write(answer)


def payload(body: bytes) -> bytes:
    """The data bytes of a webhook's body, in which `data` stands last."""
    at = body.find(_DATA)
    return body[at + len(_DATA) : -1] if at >= 0 else body


def ordering_key(body: bytes) -> str:
    """What the event of a webhook's body is ordered by: its subject, since no partition key is on the wire."""
    found = _SUBJECT.search(body, 0, max(body.find(_DATA), 0))
    return found[1].decode() if found else ""


def _verified(verifier: Verifier | None, body: bytes, headers: dict[str, str]) -> bool:
    try:
        return verifier is not None and bool(verifier.verify(body, headers))
    except VerificationError:
        return False


class Counting(asyncio.Protocol):
    """A connection without a ledger: headers are not even looked at."""

    ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.body = b""
        self.parser = httptools.HttpRequestParser(self)
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.abort()

    def on_body(self, body: bytes) -> None:
        self.body = self.body + body if self.body else body

    def on_message_complete(self) -> None:
        self.sink.count(self.body)
        self.body = b""
        self.transport.write(self.ANSWER)


class Recording(Counting):
    """A connection with a ledger."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self.url = b""
        self.headers: dict[str, str] = {}

    def on_message_begin(self) -> None:
        self.url, self.headers = b"", {}

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_message_complete(self) -> None:
        body, self.body = self.body, b""
        self.sink.record(self.transport, self.url.decode().rpartition("/")[2], self.headers, body)


def _control(sink: Sink, order: dict[str, Any]) -> dict[str, Any]:
    operation = order.pop("op")
    if operation == "reset":
        sink.reset()
    elif operation == "configure":
        sink.endpoint(order.pop("endpoint")).configure(order)
    return sink.stats()


async def _serve(ledger: Path | None, seed: int) -> None:
    sink = Sink(ledger, seed)

    async def control(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(json.dumps(_control(sink, json.loads(line))).encode() + b"\n")
            await writer.drain()
        writer.close()

    loop = asyncio.get_running_loop()
    protocol = Recording if ledger else Counting
    server = await loop.create_server(lambda: protocol(sink), "127.0.0.1", 0, backlog=1024)
    orders = await asyncio.start_server(control, "127.0.0.1", 0)
    ports = {"port": server.sockets[0].getsockname()[1], "control": orders.sockets[0].getsockname()[1]}
    sys.stdout.write(json.dumps(ports) + "\n")
    sys.stdout.flush()
    await server.serve_forever()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.sink")
    parser.add_argument("--ledger", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    uvloop.run(_serve(given.ledger, given.seed))


if __name__ == "__main__":
    main()
