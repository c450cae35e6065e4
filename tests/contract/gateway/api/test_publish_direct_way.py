"""The direct way changes no answer: every kind of publish, on a connection that knows its head, and on one that cannot.

A request that waits for `100 Continue` is never on the direct way, since it is not whole when it begins.
"""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.api.http1.listener import Listener
from gateway.clock import SystemClock
from tests.support.api_rig import Rig

GOOD = b'{"type":"order.placed","data":{"n":1}}'
_ids = itertools.count()

BODIES = {
    "plain": GOOD,
    "all attributes": b'{"type":"a","data":[1.0, "x"],"source":"/s","subject":"k","time":"2026-01-01T00:00:00Z",'
    b'"subscriber":"acme","partitionkey":"p"}',
    "spaces": b' { "type" : "a" , "data" : {"url": "http://x:1", "n": -0} } ',
    "an id": b'{"type":"a","data":1,"id":"ID"}',
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "garbage": GOOD + b"x",
    "mark": b"\xef\xbb\xbf" + GOOD,
    "not UTF-8": b'{"type":"a","data":"\xff"}',
    "NaN": b'{"type":"a","data":NaN}',
    "1e400": b'{"type":"a","data":1e400}',
    "a key twice": b'{"type":"a","data":{"k":1,"k":2}}',
    "a field twice": b'{"type":"a","type":"a","data":1}',
    "deep": b'{"type":"a","data":' + b"[" * 64 + b"]" * 64 + b"}",
    "wide": b'{"type":"a","data":[' + b",".join([b"{}"] * 200) + b"]}",
    "surrogate": b'{"type":"a","subject":"\\ud800","data":1}',
    "NUL": b'{"type":"a","subject":"\\u0000","data":1}',
    "unknown field": b'{"type":"a","data":1,"more":1}',
    "wrong type": b'{"type":1,"data":1}',
    "no data": b'{"type":"a"}',
    "bad type": b'{"type":"a b","data":1}',
    "bad time": b'{"type":"a","data":1,"time":"now"}',
    "bad id": b'{"type":"a","data":1,"id":"a.b"}',
    "reserved": b'{"type":"hookline.test","data":1}',
}
HEADERS = {
    "request id": b"x-request-id: mine-1\r\n",
    "trace": b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n",
    "bad trace": b"traceparent: x\r\n",
    "bad idempotency key": b"idempotency-key: a.b\r\n",
    "another type": b"content-type: text/plain\r\n",
    "charset": b"content-type: application/json; charset=utf-8\r\n",
    "encoding": b"content-encoding: gzip\r\n",
    "two keys": b"authorization: Bearer x\r\n",
    "two hosts": b"host: y\r\n",
    "closing": b"connection: close\r\n",
}


class Peer:
    """Raw connections to the gateway."""

    def __init__(self, port: int, key: str) -> None:
        self.port, self.key = port, key

    def head(self, body: bytes, more: bytes = b"", target: bytes = b"/v1/events", key: str = "") -> bytes:
        """A head; `more` replaces the plain content type when it has one."""
        kind = b"" if b"content-type" in more else b"content-type: application/json\r\n"
        return b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\n%b%bcontent-length: %d\r\n" % (
            target,
            (key or self.key).encode(),
            kind,
            more,
            len(body),
        )

    async def known(self, body: bytes, **head: Any) -> tuple[Any, ...]:
        """The answer on a connection that has had the same head before, if that answer left it open."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.head(GOOD, **head) + b"\r\n" + GOOD)
        if (await _answer(reader))[1].get("connection") == "close":
            await _close(writer)
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.head(body, **head) + b"\r\n" + body)
        found = await _answer(reader)
        await _close(writer)
        found[1].pop("connection", None)
        return found

    async def ordinary(self, body: bytes, **head: Any) -> tuple[Any, ...]:
        """The answer of the application to a request that comes in two pieces."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.head(body, **head) + b"expect: 100-continue\r\n\r\n")
        found = await _answer(reader)
        if found[0] == 100:
            writer.write(body)
            found = await _answer(reader)
        await _close(writer)
        found[1].pop("connection", None)
        return found


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and body, without what differs each time."""
    async with asyncio.timeout(10):
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {"x-request-id": "", **dict(line.split(": ", 1) for line in lines[1:-2])}
        body = json.loads(await reader.readexactly(int(headers.pop("content-length", "0"))) or b"{}")
    if not headers["x-request-id"].startswith("mine"):
        del headers["x-request-id"]
    headers.pop("date", None)
    for name in ("accepted_at", "request_id", "id"):
        if name in body:
            body[name] = type(body[name]).__name__
    return int(lines[0].split(" ")[1]), headers, body


@pytest.fixture
async def peer(rig: Rig) -> AsyncIterator[Peer]:
    listener = Listener(rig.app, SystemClock(), prepare=rig.app.prepare)
    port = await listener.open("127.0.0.1", 0)
    peer = Peer(port, rig.admin)
    await peer.known(GOOD)  # the key is remembered
    yield peer
    await listener.close(5.0)


@pytest.mark.parametrize("name", BODIES)
async def test_every_body(peer: Peer, name: str) -> None:
    def body() -> bytes:
        return BODIES[name].replace(b"ID", b"id-%d" % next(_ids))

    assert await peer.known(body()) == await peer.ordinary(body())


@pytest.mark.parametrize("name", HEADERS)
async def test_every_header(peer: Peer, name: str) -> None:
    assert await peer.known(GOOD, more=HEADERS[name]) == await peer.ordinary(GOOD, more=HEADERS[name])


async def test_an_idempotency_key(peer: Peer) -> None:
    other = GOOD.replace(b"1", b"2")
    for number, way in enumerate((peer.known, peer.ordinary)):
        more = b"idempotency-key: key-%d\r\n" % number
        await peer.ordinary(GOOD, more=more)
        answers = [await way(body, more=more) for body in (GOOD, other)]
        assert [(status, body.get("duplicate")) for status, _, body in answers] == [(202, True), (409, None)]


@pytest.mark.parametrize("head", [{"target": b"/v1/events?a=1"}, {"key": "wrong"}, {"target": b"/v1/events/"}])
async def test_every_other_head(peer: Peer, head: dict[str, Any]) -> None:
    assert await peer.known(GOOD, **head) == await peer.ordinary(GOOD, **head)


async def test_an_id_again_and_an_id_of_another_event(peer: Peer) -> None:
    for way in (peer.known, peer.ordinary):
        first = b'{"type":"a","data":1,"id":"dup-%b"}' % way.__name__.encode()
        answers = [await way(body) for body in (first, first, first.replace(b":1", b":2"))]
        assert [(status, body.get("duplicate"), body.get("code")) for status, _, body in answers] == [
            (202, False, None), (202, True, None), (409, None, "idempotency_conflict"),
        ]  # fmt: skip
        assert "data" in answers[2][2]["detail"]


async def test_a_key_that_may_not(peer: Peer, rig: Rig) -> None:
    reader, bound = await rig.key("read"), await rig.key("publish", subscriber="acme")
    for key in (reader, bound):
        known, ordinary = await peer.known(GOOD, key=key), await peer.ordinary(GOOD, key=key)
        assert known == ordinary
        assert known[0] == 403


async def test_a_key_that_was_revoked(peer: Peer, rig: Rig) -> None:
    secret = await rig.key("publish")
    assert (await peer.known(GOOD, key=secret))[0] == 202
    (revoked,) = [key.id for key in await rig.api_keys.list_all() if key.scopes == ("publish",)]
    await rig.api_keys.revoke(revoked)
    rig.services.authenticator.forget()
    assert (await peer.known(GOOD, key=secret))[0] == 401


async def test_a_full_store(peer: Peer, rig: Rig) -> None:
    rig.services.fullness.full = True
    try:
        assert await peer.known(GOOD) == await peer.ordinary(GOOD)
    finally:
        rig.services.fullness.full = False
