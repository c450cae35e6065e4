"""The rows of bad input that need raw bytes, against the gateway as it runs in production: process, uvloop, sockets."""

import base64
import contextlib
import json
import secrets
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.store import connection
from gateway.store.api_keys import ApiKeys
from gateway.store.keys import PartitionKeys
from tests.support.process import Process
from tests.support.valkey import ValkeyServer, free_port

EVENT = b'{"type":"order.placed","data":{}}'
PARTITIONS = 4


class Gateway:
    """A gateway process, and raw connections to it."""

    def __init__(self, port: int, key: str, store: ValkeyServer) -> None:
        self.port, self.key, self.store = port, key, store

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def say(self, data: bytes, *, half_close: bool = False) -> list[tuple[int, str]]:
        """The answers to some bytes as (status, code); the gateway must close the connection by itself."""
        with self.connect() as peer:
            with contextlib.suppress(OSError):
                peer.sendall(data)
                if half_close:
                    peer.shutdown(socket.SHUT_WR)
            return answers(peer)

    def publish(self, *headers: bytes, body: bytes = b"", method: bytes = b"POST") -> bytes:
        """The bytes of a publishing request with exactly these further headers."""
        lines = [method + b" /v1/events HTTP/1.1", b"Host: x", b"Authorization: Bearer " + self.key.encode()]
        return b"\r\n".join([*lines, b"Content-Type: application/json", *headers, b"", body])

    async def stored(self) -> int:
        """How many events there are."""
        redis = connection.connect(self.store.url)
        keys = [PartitionKeys(number, PARTITIONS) for number in range(PARTITIONS)]
        lengths = [int(await redis.xlen(partition.log)) for partition in keys]
        await redis.aclose()
        return sum(lengths)


def answers(peer: socket.socket) -> list[tuple[int, str]]:
    """Every answer until the gateway closes."""
    rest = b""
    with contextlib.suppress(ConnectionError):
        while data := peer.recv(65_536):
            rest += data
    found = []
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        length = int(fields.get(b"content-length", b"0"))
        body, rest = rest[:length], rest[length:]
        assert b"x-request-id" in fields
        found.append((int(head.split(b" ")[1]), json.loads(body).get("code", "")))
    return found


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One process for all rows."""
    directory: Path = tmp_path_factory.mktemp("gateway")
    with ValkeyServer() as store:
        port = free_port()
        environment = {
            "HOOKLINE_REDIS_URL": store.url,
            "HOOKLINE_PORT": str(port),
            "HOOKLINE_DATA": str(directory),
            "HOOKLINE_PARTITIONS": str(PARTITIONS),
            "HOOKLINE_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
        }
        process = Process("gateway", ("gateway.api.server",), directory, environment)
        process.start()
        try:
            found = Gateway(port, "", store)
            process.wait(lambda: _listens(found), 20, "it listens")
            yield found
        finally:
            process.kill9()


def _listens(gateway: Gateway) -> bool:
    with contextlib.suppress(OSError), gateway.connect():
        return True
    return False


@pytest.fixture
async def keyed(gateway: Gateway) -> Gateway:
    """The same, with an API key that publishes."""
    if not gateway.key:
        redis = connection.connect(gateway.store.url)
        _, gateway.key = await ApiKeys(redis, SystemClock()).create("raw", ["publish"])
        await redis.aclose()
    return gateway


CHUNKED = b"Transfer-Encoding: chunked"
FRAMING: list[tuple[str, Sequence[bytes], bytes]] = [
    ("length and chunks", (b"Content-Length: 33", CHUNKED), b"21\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("chunks and length", (CHUNKED, b"Content-Length: 33"), b"21\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("two lengths", (b"Content-Length: 33", b"Content-Length: 34"), EVENT + b" "),
    ("the same length twice", (b"Content-Length: 33", b"Content-Length: 33"), EVENT),
    ("+2", (b"Content-Length: +33",), EVENT),
    ("-1", (b"Content-Length: -1",), EVENT),
    ("a bad chunk size", (CHUNKED,), b"zz\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("a negative chunk size", (CHUNKED,), b"-21\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("a chunk that is longer than it says", (CHUNKED,), b"20\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("gzip transfer", (b"Transfer-Encoding: gzip, chunked",), b"21\r\n" + EVENT + b"\r\n0\r\n\r\n"),
    ("NUL in a header", (b"X: a\0b", b"Content-Length: 33"), EVENT),
    ("two hosts", (b"Host: y", b"Content-Length: 33"), EVENT),
    ("two idempotency keys", (b"Idempotency-Key: a", b"Idempotency-Key: b", b"Content-Length: 33"), EVENT),
]


@pytest.mark.parametrize(("headers", "body"), [row[1:] for row in FRAMING], ids=[row[0] for row in FRAMING])
async def test_bad_framing_is_400_closed_and_stores_nothing(
    keyed: Gateway, headers: Sequence[bytes], body: bytes
) -> None:
    before = await keyed.stored()
    assert keyed.say(keyed.publish(*headers, body=body)) == [(400, "malformed_request")]
    assert await keyed.stored() == before


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01",
    ],
    ids=["no host", "HTTP/0.9", "NUL in a name", "TLS"],
)
def test_what_is_no_request_is_400_and_closed(gateway: Gateway, data: bytes) -> None:
    assert gateway.say(data) == [(400, "malformed_request")]


def test_large_heads(gateway: Gateway) -> None:
    host = b" HTTP/1.1\r\nHost: x\r\n"
    assert gateway.say(b"GET /" + b"a" * 8_192 + host + b"\r\n") == [(414, "uri_too_long")]
    assert gateway.say(b"GET /" + b"a" * 1_000_000) == [(414, "uri_too_long")]
    large = b"".join(b"X-%d: %b\r\n" % (number, b"a" * 1_000) for number in range(17))
    assert gateway.say(b"GET /" + host + large + b"\r\n") == [(431, "headers_too_large")]
    many = b"".join(b"X-%d: a\r\n" % number for number in range(100))
    assert gateway.say(b"GET /" + host + many + b"\r\n") == [(431, "headers_too_large")]
    assert gateway.say(b"GET /" + host + b"X: " + b"a" * 1_000_000) == [(431, "headers_too_large")]


async def test_too_large_a_body_is_refused_at_once(keyed: Gateway) -> None:
    before = await keyed.stored()
    length = keyed.publish(b"Content-Length: 262145")
    assert keyed.say(length) == [(413, "payload_too_large")]
    assert keyed.say(length + b" " * 262_145) == [(413, "payload_too_large")]
    chunks = keyed.publish(CHUNKED) + (b"8000\r\n" + b" " * 32_768 + b"\r\n") * 9
    assert keyed.say(chunks) == [(413, "payload_too_large")]
    one = keyed.publish(CHUNKED, body=b"FFFFFFFF\r\n" + b" " * 400_000)
    assert keyed.say(one) == [(413, "payload_too_large")]
    assert await keyed.stored() == before


async def test_a_length_that_lies(keyed: Gateway) -> None:
    before = await keyed.stored()
    short = keyed.publish(b"Content-Length: 34", body=EVENT)
    assert keyed.say(short, half_close=True) in ([], [(400, "malformed_request")])
    assert await keyed.stored() == before
    long = keyed.publish(b"Content-Length: 33", body=EVENT + b"rest\r\n\r\n")
    assert keyed.say(long) == [(202, ""), (400, "malformed_request")]
    assert await keyed.stored() == before + 1


async def test_half_closed_after_a_whole_request_is_answered(keyed: Gateway) -> None:
    assert keyed.say(keyed.publish(b"Content-Length: 33", body=EVENT), half_close=True) == [(202, "")]
    assert keyed.say(b"GET / HT", half_close=True) == []


async def test_slow_heads_slow_bodies_and_silence_end(keyed: Gateway) -> None:
    with keyed.connect() as silent, keyed.connect() as head, keyed.connect() as body:
        begun = time.monotonic()
        head.sendall(b"POST /v1/events HTTP/1.1\r\nHost")
        body.sendall(keyed.publish(b"Content-Length: 33", body=EVENT[:5]))
        assert answers(silent) == []
        assert answers(head) == [(408, "request_timeout")]
        assert 4.5 < time.monotonic() - begun < 8
        assert answers(body) == [(408, "request_timeout")]
        assert 9.5 < time.monotonic() - begun < 13


async def test_trace_and_two_keys(keyed: Gateway) -> None:
    close = b"Connection: close"
    assert keyed.say(keyed.publish(close, method=b"TRACE")) == [(405, "method_not_allowed")]
    again = b"Authorization: Bearer " + keyed.key.encode()
    request = keyed.publish(again, close, b"Content-Length: 33", body=EVENT)
    assert keyed.say(request) == [(401, "unauthorized")]


@pytest.mark.parametrize("target", [b"//v1/events", b"/v1/events/", b"/v1/%2e%2e/events", b"/v1/events%00", b"*"])
async def test_other_spellings_of_the_path(keyed: Gateway, target: bytes) -> None:
    request = keyed.publish(b"Connection: close", b"Content-Length: 33", body=EVENT).replace(b"/v1/events", target, 1)
    assert keyed.say(request) == [(404, "not_found")]
