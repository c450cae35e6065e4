"""The bytes of an attempt are those that gateway.wire describes, signed so that a receiver accepts them."""

from typing import Any, get_args

import httptools
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import receivers
from dispatcher import request
from gateway import ids, wire
from gateway.egress import Egress, EgressError
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Endpoint, Format
from gateway.model.event import Event
from gateway.model.profile import ProfileTimestamp, SignatureProfile
from receivers.errors import SecretError
from tests.support.sealed import secret, texts, with_secrets

SECRET = receivers.generate_secret()
OWN = {"x-shop": "a b", "authorization": "Bearer t", "X-Api-Key": "100%d"}
ENDPOINT = with_secrets(
    Endpoint("e", 5, "acme", "external", "https://hooks.example.com:8443/in?x=1%20", headers=OWN),
    secret("sec_1", "v1", SECRET),
    secret("sec_2", "v1a"),
)
STARTED = 1_800_000_001_999
EVENT = Event(
    ids.Address(1_800_000_000_123, 4, 2), "order-1", "/shop", "order.placed", b'{"a": 1.0}', subject="order-1"
)


def changed(endpoint: Endpoint, **fields: Any) -> Endpoint:
    return msgspec.structs.replace(endpoint, **fields)


VARIANTS = (
    changed(ENDPOINT, id="cloudevents", format="cloudevents"),
    changed(ENDPOINT, id="binary", format="cloudevents-binary"),
    changed(ENDPOINT, id="raw", format="raw"),
    changed(ENDPOINT, id="ordered", ordered=True),
    changed(ENDPOINT, id="stripe", signature_profile=SignatureProfile("stripe")),
    changed(ENDPOINT, id="both", signatures=("v1", "v1a")),
    changed(
        ENDPOINT, id="all", format="cloudevents-binary", ordered=True, signatures=("v1", "v1a"),
        signature_profile=SignatureProfile("hmac", header="X-Sig", timestamp=ProfileTimestamp("X-Time")),
    ),
)  # fmt: skip


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


def build(endpoint: Endpoint, run: int = 0, trigger: Trigger = Trigger.FIRST, event: Event = EVENT) -> request.Request:
    made = request.route(endpoint, texts(endpoint), Egress())
    key = ids.DeliveryKey(*event.address, 5, run)
    return request.build(made, event, key, 3, STARTED, trigger, request.content(event, endpoint.format))


@pytest.mark.parametrize("endpoint", [ENDPOINT, *VARIANTS], ids=lambda endpoint: str(endpoint.id))
@pytest.mark.parametrize("trigger", [Trigger.FIRST, Trigger.MANUAL, Trigger.REPLAY])
@pytest.mark.parametrize("run", [0, 9])
def test_the_request_is_what_the_wire_describes(endpoint: Endpoint, run: int, trigger: Trigger) -> None:
    made = build(endpoint, run, trigger)
    sent = Sent(b"".join(made.pieces))
    body = wire.body(EVENT, endpoint.format)
    assert (sent.method, sent.url, sent.body, sent.complete) == ("POST", "/in?x=1%20", body, True)
    key = ids.DeliveryKey(*EVENT.address, 5, run)
    described = wire.headers(EVENT, key, 3, STARTED, trigger, wire.unpack_sent(made.signature), OWN)
    assert sent.headers == [("host", "hooks.example.com:8443"), *described, ("content-length", str(len(body)))]
    verified = receivers.verify(body, dict(sent.headers), SECRET, now=lambda: 1_800_000_001.0)
    assert (verified.id, verified.attempt) == (wire.webhook_id(EVENT, run), 3)


def test_the_endpoints_policy_shows_in_the_headers() -> None:
    ordered, stripe = (dict(Sent(b"".join(build(one).pieces)).headers) for one in VARIANTS[3:5])
    assert ordered["webhook-sequence"] == "1800000000123000004"
    assert "webhook-sequence" not in stripe
    assert stripe["stripe-signature"].startswith("t=1800000001,v1=")
    assert dict(Sent(b"".join(build(ENDPOINT).pieces)).headers).keys().isdisjoint({"webhook-trigger", "ce-id"})


@given(
    source=st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    format_=st.sampled_from(get_args(Format)),
    trigger=st.sampled_from(Trigger),
)
def test_whatever_an_event_says_its_request_is_one_request(source: str, format_: Format, trigger: Trigger) -> None:
    event = msgspec.structs.replace(EVENT, source=source, subject=source, partitionkey=source)
    sent = Sent(b"".join(build(changed(ENDPOINT, format=format_), 0, trigger, event).pieces))
    assert sent.complete
    assert sent.body == wire.body(event, format_)
    assert receivers.verify(sent.body, sent.headers, SECRET, now=lambda: 1_800_000_001.0).id == "order-1"


def test_credentials_are_not_kept_with_the_attempt() -> None:
    shown = request.route(ENDPOINT, texts(ENDPOINT), Egress()).shown_headers
    assert shown == {"x-shop": "a b", "authorization": "***", "X-Api-Key": "***"}


def test_what_is_no_longer_allowed_is_refused() -> None:
    bad = changed(ENDPOINT, url="https://10.0.0.1/")
    with pytest.raises(EgressError):
        request.route(bad, texts(bad), Egress())
    with pytest.raises(SecretError):
        request.route(ENDPOINT, {"sec_1": "whsec_x"}, Egress())
    for version in ("v1", "v1a"):
        with pytest.raises(SecretError, match=version):
            request.route(changed(ENDPOINT, secrets=(), signatures=(version,)), {}, Egress())
