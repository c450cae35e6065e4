"""The ASGI edge, message by message and with an ASGI client."""

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpx
import pytest

from receivers import asgi
from receivers.errors import ReceiverError
from receivers.event import Event
from receivers.receiver import Receiver
from receivers.result import Result
from tests.support.webhooks import SECRET, TIMESTAMP, event_body, signed_headers

BODY = event_body()


class Exchange:
    """One scope: what the server says, and what the application answers."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = list(messages)
        self.sent: list[Any] = []

    async def receive(self) -> asgi.Message:
        return self.messages.pop(0)

    async def send(self, message: asgi.Message) -> None:
        self.sent.append(message)

    async def run(self, receiver: Receiver, **scope: Any) -> None:
        await receiver({"type": "http", "method": "POST", "headers": [], **scope}, self.receive, self.send)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def answer(self) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(self.sent[1]["body"])
        return parsed


def chunks(*bodies: bytes) -> list[dict[str, Any]]:
    last = len(bodies) - 1
    return [{"type": "http.request", "body": body, "more_body": index < last} for index, body in enumerate(bodies)]


def raw(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


@pytest.fixture
def seen() -> list[Result]:
    return []


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def receiver(seen: list[Result], events: list[Event]) -> Receiver:
    receiver = Receiver(SECRET, now=lambda: TIMESTAMP, observe=seen.append)
    receiver.on("order.*")(events.append)
    return receiver


async def test_through_an_asgi_client(receiver: Receiver, events: list[Event]) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(receiver), base_url="http://test") as client:
        first = await client.post("/any/path?x=1", content=BODY, headers=signed_headers(BODY))
        assert (first.status_code, first.headers["content-type"]) == (200, "application/json")
        assert first.json()["result"] == "handled"
        assert (await client.post("/", content=BODY, headers=signed_headers(BODY))).json()["result"] == "duplicate"
        forged = await client.post("/", content=BODY + b" ", headers=signed_headers(BODY))
        assert (forged.status_code, forged.json()["code"]) == (401, "signature_mismatch")
        assert (await client.post("/", content=BODY)).json()["code"] == "header_missing"
    assert [event.body for event in events] == [BODY]


@pytest.mark.parametrize("bodies", [(BODY,), (BODY[:1], BODY[1:]), (b"", BODY, b""), tuple(bytes([b]) for b in BODY)])
async def test_the_body_is_put_together_from_any_chunks(receiver: Receiver, bodies: Iterable[bytes]) -> None:
    exchange = Exchange(*chunks(*bodies))
    await exchange.run(receiver, headers=raw(signed_headers(BODY)))
    assert (exchange.status, exchange.answer["result"]) == (200, "handled")
    assert dict(exchange.sent[0]["headers"])[b"content-length"] == str(len(exchange.sent[1]["body"])).encode()


async def test_a_body_message_may_leave_out_what_has_a_default(receiver: Receiver) -> None:
    exchange = Exchange({"type": "http.request"})
    await exchange.run(receiver, headers=raw(signed_headers(b"")))
    assert (exchange.status, exchange.answer["code"]) == (400, "payload_invalid")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "post"])
async def test_other_methods(receiver: Receiver, seen: list[Result], method: str) -> None:
    exchange = Exchange()
    await exchange.run(receiver, method=method)
    assert (exchange.status, exchange.answer["code"]) == (405, "method_not_allowed")
    assert dict(exchange.sent[0]["headers"])[b"allow"] == b"POST"
    assert [result.code for result in seen] == ["method_not_allowed"]


@pytest.mark.parametrize("length", [b"1048577", b"9" * 18, b"9" * 30])
async def test_a_declared_length_over_the_cap_is_not_read(receiver: Receiver, length: bytes) -> None:
    exchange = Exchange()
    await exchange.run(receiver, headers=[(b"content-length", length)])
    assert (exchange.status, exchange.answer["code"]) == (413, "body_too_large")


async def test_reading_stops_at_the_cap(receiver: Receiver, seen: list[Result]) -> None:
    exchange = Exchange(*chunks(*[bytes(65536)] * 100))
    await exchange.run(receiver, headers=[(b"content-length", b"-5")])
    assert exchange.status == 413
    assert len(exchange.messages) == 100 - 17
    assert [result.code for result in seen] == ["body_too_large"]


async def test_a_body_of_exactly_the_cap_is_read() -> None:
    body = event_body(padding="x" * 100)
    receiver = Receiver(SECRET, now=lambda: TIMESTAMP, maximum_body_bytes=len(body))
    exchange = Exchange(*chunks(body))
    await exchange.run(receiver, headers=raw({**signed_headers(body), "content-length": str(len(body))}))
    assert exchange.status == 200


async def test_a_client_that_leaves_gets_no_answer(receiver: Receiver, seen: list[Result]) -> None:
    exchange = Exchange({"type": "http.request", "body": BODY, "more_body": True}, {"type": "http.disconnect"})
    await exchange.run(receiver, headers=raw(signed_headers(BODY)))
    assert (exchange.sent, seen) == ([], [])


async def test_a_failing_handler_is_answered_500(receiver: Receiver) -> None:
    @receiver.on("order.*")
    async def handler(event: Event) -> None:
        raise RuntimeError("secret detail")

    exchange = Exchange(*chunks(BODY))
    await exchange.run(receiver, headers=raw(signed_headers(BODY)))
    assert (exchange.status, exchange.answer["code"]) == (500, "handler_failed")
    assert "secret" not in exchange.answer["detail"]


async def test_lifespan(receiver: Receiver) -> None:
    exchange = Exchange({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    await exchange.run(receiver, type="lifespan")
    assert exchange.sent == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


@pytest.mark.parametrize("kind", ["websocket", "webtransport"])
async def test_other_scopes_are_refused(receiver: Receiver, kind: str) -> None:
    with pytest.raises(ReceiverError, match=kind) as raised:
        await Exchange().run(receiver, type=kind)
    assert raised.value.code == "scope_unsupported"


async def test_mounted_in_a_framework_the_raw_body_is_verified(receiver: Receiver) -> None:
    from starlette.applications import Starlette
    from starlette.routing import Mount

    framework = Starlette(routes=[Mount("/hooks", receiver)])

    async def stream() -> AsyncIterator[bytes]:
        for byte in BODY:
            yield bytes([byte])

    async with httpx.AsyncClient(transport=httpx.ASGITransport(framework), base_url="http://test") as client:
        answer = await client.post("/hooks/orders", content=stream(), headers=signed_headers(BODY))
    assert answer.json()["result"] == "handled"
