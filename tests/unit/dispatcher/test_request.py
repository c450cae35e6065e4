"""The bytes of an attempt are those that gateway.wire describes, signed so that a receiver accepts them."""

import httptools
import pytest

import receivers
from dispatcher import request
from gateway import ids, wire
from gateway.egress import Egress, EgressError
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers.errors import SecretError

SECRET = receivers.generate_secret()
OWN = {"x-shop": "a b", "authorization": "Bearer t", "X-Api-Key": "k"}
ENDPOINT = Endpoint("e", 5, "acme", "external", "https://hooks.example.com:8443/in?x=1", headers=OWN)
EVENT = Event(
    ids.Address(1_800_000_000_123, 4, 2), "order-1", "/shop", "order.placed", b'{"a": 1.0}', subject="order-1"
)


class Sent:
    """What a server would read."""

    def __init__(self, raw: bytes) -> None:
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.complete = False
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(raw)
        self.method = parser.get_method().decode()

    def on_url(self, url: bytes) -> None:
        self.url = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode(), value.decode()))

    def on_body(self, part: bytes) -> None:
        self.body += part

    def on_message_complete(self) -> None:
        self.complete = True


@pytest.mark.parametrize("run", [0, 9])
def test_the_request_is_what_the_wire_describes(run: int) -> None:
    key = ids.DeliveryKey(*EVENT.address, 5, run)
    body = wire.body(EVENT)
    made = request.build(request.route(ENDPOINT, SECRET, Egress()), EVENT, key, 3, 1_800_000_001_999, body)
    sent = Sent(b"".join(made.pieces))
    assert (sent.method, sent.url, sent.body, sent.complete) == ("POST", "/in?x=1", body, True)
    described = wire.headers(
        EVENT, wire.webhook_id(EVENT, run), 3, 1_800_000_001, made.signature.decode(),
        wire.traceparent(EVENT, key, 3), OWN,
    )  # fmt: skip
    around = [("host", "hooks.example.com:8443"), ("content-length", str(len(body)))]
    assert sorted(sent.headers) == sorted(described + around)
    verified = receivers.verify(body, dict(sent.headers), SECRET, now=lambda: 1_800_000_001.0)
    assert (verified.id, verified.attempt) == (wire.webhook_id(EVENT, run), 3)


def test_credentials_are_not_kept_with_the_attempt() -> None:
    shown = request.route(ENDPOINT, SECRET, Egress()).shown_headers
    assert shown == {"x-shop": "a b", "authorization": "***", "X-Api-Key": "***"}


def test_what_is_no_longer_allowed_is_refused() -> None:
    bad = Endpoint("e", 5, "acme", "external", "https://10.0.0.1/")
    with pytest.raises(EgressError):
        request.route(bad, SECRET, Egress())
    with pytest.raises(SecretError):
        request.route(ENDPOINT, "whsec_x", Egress())
