import hashlib
import json
import re
from typing import get_args
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import wire
from gateway.ids import Address, DeliveryKey
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Format
from gateway.model.event import Event
from gateway.wire import Sent
from receivers.signing import sign

ADDRESS = Address(1_764_000_000_007, 3, 2)
KEY = DeliveryKey(*ADDRESS, 9)
EVENT = Event(ADDRESS, "order-1", "/keys/shop", "order.placed", b'{"n":1}')
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
FORM = re.compile(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def change(**fields: object) -> Event:
    return msgspec.structs.replace(EVENT, **fields)


def test_the_body_is_compact_and_in_order() -> None:
    event = change(subject="order/1", time="2026-01-02T03:04:05Z")
    assert wire.body(event) == (
        b'{"id":"order-1","type":"order.placed","source":"/keys/shop","subject":"order/1",'
        b'"timestamp":"2026-01-02T03:04:05Z","data":{"n":1}}'
    )


def test_without_a_time_the_timestamp_is_the_acceptance_in_milliseconds() -> None:
    assert json.loads(wire.body(EVENT))["timestamp"] == "2025-11-24T16:00:00.007Z"
    assert "subject" not in json.loads(wire.body(EVENT))


@pytest.mark.parametrize(
    "data", [b"1.0000000000000000000001", b'{"b":1,"a":-0}', b"[1e400 , 2]", b'"\\u00e9"', b" null "]
)
def test_data_goes_out_byte_for_byte(data: bytes) -> None:
    assert wire.body(change(data=data)).endswith(b',"data":' + data + b"}")


@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    sent = json.loads(wire.body(change(source=text, subject=text, id=text)))
    assert (sent["source"], sent["id"], sent.get("subject", "")) == (text, text, text)


def test_letters_beyond_ascii_are_not_escaped() -> None:
    assert '"Grüße"'.encode() in wire.body(change(subject="Grüße"))


@pytest.mark.parametrize("format_", get_args(Format))
def test_data_goes_out_byte_for_byte_in_every_format(format_: Format) -> None:
    data = b'{"b":1.0000000000000000000001 ,"a":-0}'
    sent = wire.body(change(data=data, subject="s", partitionkey="p"), format_)
    assert sent.endswith(data if sent == data else b',"data":' + data + b"}")


def test_structured_mode_is_a_cloud_event() -> None:
    event = change(subject="order/1", partitionkey="7", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    assert wire.body(event, "cloudevents") == (
        b'{"specversion":"1.0","id":"order-1","source":"/keys/shop","type":"order.placed","subject":"order/1",'
        b'"time":"2025-11-24T16:00:00.007Z","partitionkey":"7",'
        b'"traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",'
        b'"datacontenttype":"application/json","data":{"n":1}}'
    )
    assert list(json.loads(wire.body(change(traceparent="00-none"), "cloudevents"))) == [
        "specversion", "id", "source", "type", "time", "datacontenttype", "data",
    ]  # fmt: skip
    assert wire.event_headers(event, "cloudevents") == wire.event_headers(event, "raw") == []


def test_in_binary_mode_the_attributes_are_headers() -> None:
    event = change(subject='Grüße, "50 %" €\n', time="2026-01-02T03:04:05Z", partitionkey="a b")
    assert wire.event_headers(event, "cloudevents-binary") == [
        ("ce-specversion", "1.0"),
        ("ce-id", "order-1"),
        ("ce-source", "/keys/shop"),
        ("ce-type", "order.placed"),
        ("ce-subject", "Gr%C3%BC%C3%9Fe,%20%2250%20%25%22%20%E2%82%AC%0A"),
        ("ce-time", "2026-01-02T03:04:05Z"),
        ("ce-partitionkey", "a%20b"),
    ]
    assert wire.body(event, "cloudevents-binary") == wire.body(event, "raw") == b'{"n":1}'


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_survives_as_a_header(text: str) -> None:
    value = dict(wire.event_headers(change(source=text), "cloudevents-binary"))["ce-source"]
    assert unquote(value, errors="strict") == text
    assert all("!" <= character <= "~" and character != '"' for character in value)


def test_headers_stand_in_their_order_and_the_endpoints_own_come_last() -> None:
    made = wire.headers(EVENT, KEY, 2, 1_764_000_000_999, Trigger.FIRST, Sent(b"v1,abc"), {"x-team": "a"})
    assert made == [
        ("content-type", "application/json"),
        ("user-agent", "Hookline/0.1.0"),
        ("webhook-id", "order-1"),
        ("webhook-timestamp", "1764000000"),
        ("webhook-signature", "v1,abc"),
        ("webhook-attempt", "2"),
        ("traceparent", wire.traceparent(wire.trace(EVENT), KEY, 2)),
        ("x-team", "a"),
    ]


def test_a_replay_with_its_own_id_names_the_original() -> None:
    made = dict(wire.headers(EVENT, KEY._replace(run=7), 1, 1, Trigger.FIRST, Sent(b"v1,abc")))
    assert (made["webhook-id"], made["webhook-replay"], made["webhook-original-id"]) == ("order-1:r7", "7", "order-1")
    assert wire.webhook_id(EVENT) == "order-1"


@pytest.mark.parametrize("trigger", list(Trigger))
def test_an_attempt_outside_live_order_says_so(trigger: Trigger) -> None:
    made = dict(wire.headers(EVENT, KEY, 1, 1, trigger, Sent(b"v1,abc")))
    said = {Trigger.MANUAL: "manual", Trigger.REPLAY: "replay"}.get(trigger)
    assert made.get("webhook-trigger") == said


def test_headers_of_policy_and_format_follow_those_of_every_attempt() -> None:
    sent = Sent(b"v1,abc v1,def", "cloudevents-binary", (("webhook-sequence", "9"), ("x-sig", "a")))
    made = [name for name, _ in wire.headers(EVENT, KEY, 1, 1, Trigger.REPLAY, sent, {"x-team": "a"})]
    assert made[7:11] == ["webhook-trigger", "webhook-sequence", "x-sig", "ce-specversion"]
    assert made[-1] == "x-team"
    structured = dict(wire.headers(EVENT, KEY, 1, 1, Trigger.FIRST, Sent(b"v1,abc", "cloudevents")))
    assert structured["content-type"] == "application/cloudevents+json"


def test_the_sequence_is_the_position_in_the_log() -> None:
    assert wire.sequence(EVENT) == "1764000000007000003"


@pytest.mark.parametrize(
    "sent",
    [
        Sent(b"v1,abc"),
        Sent(b"v1,abc v1a,def"),
        Sent(b"v1,abc", "raw"),
        Sent(b"v1,abc", "standard", (("stripe-signature", "t=1,v1=a: b"), ("x", "y"))),
    ],
)
def test_what_is_kept_with_an_attempt_comes_back(sent: Sent) -> None:
    assert wire.unpack_sent(sent.packed()) == sent
    assert sent.packed().split(b"\n")[0] == sent.signature


def test_what_is_sent_is_what_a_receiver_verifies() -> None:
    secret = "whsec_" + "A" * 32
    assert sign(secret, wire.webhook_id(EVENT), 1, wire.body(EVENT)).startswith("v1,")


@pytest.mark.parametrize(
    ("given_text", "flags"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", "01"),
        (f"00-{TRACE}-00f067aa0ba902b7-00", "00"),
        (f"00-{TRACE}-00f067aa0ba902b7-ff", "03"),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be", "01"),
    ],
)
def test_a_valid_trace_is_continued(given_text: str, flags: str) -> None:
    made = wire.traceparent(wire.trace(change(traceparent=given_text)), KEY, 1)
    assert FORM.fullmatch(made)
    assert made.startswith(f"00-{TRACE}-")
    assert made.endswith(f"-{flags}")
    assert "00f067aa0ba902b7" not in made


@pytest.mark.parametrize(
    "given_text",
    [
        "",
        "00",
        f"ff-{TRACE}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01-more",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-01\n",
    ],
)
def test_an_invalid_trace_is_replaced_by_one_made_from_the_event_id(given_text: str) -> None:
    made = wire.traceparent(wire.trace(change(traceparent=given_text)), KEY, 1)
    assert made.startswith(f"00-{hashlib.sha256(b'order-1').hexdigest()[:32]}-")
    assert made.endswith("-01")


def test_the_span_is_the_same_for_the_same_attempt_and_new_for_any_other() -> None:
    spans = {
        wire.traceparent(wire.trace(EVENT), key, number)
        for key in (KEY, KEY._replace(endpoint=10), KEY._replace(partition=1), KEY._replace(run=1))
        for number in (1, 2, 11)
    }
    assert len(spans) == 12
    assert wire.traceparent(wire.trace(EVENT), KEY, 1) == wire.traceparent(wire.trace(EVENT), KEY, 1)
