"""Reading the event from a proven body."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers import event, headers
from receivers.errors import VerificationError
from receivers.event import Event, Replay
from receivers.verification import Verified

VERIFIED = Verified("evt_1", 1614265330, 2, "v1", 0)


def read(body: bytes, **more: str) -> Event:
    fields = headers.read({name.replace("_", "-"): value for name, value in more.items()})
    return event.read(body, fields, VERIFIED)


def test_all_members() -> None:
    body = json.dumps(
        {
            "id": "evt_1",
            "type": "order.placed",
            "source": "/shop",
            "subject": "order-1",
            "timestamp": "2026-01-02T03:04:05Z",
            "data": {"lines": [1, 2.5, None, "é"]},
        }
    ).encode()
    received = read(body, webhook_sequence="17", host="h")
    assert received == Event(
        id="evt_1",
        type="order.placed",
        source="/shop",
        subject="order-1",
        timestamp="2026-01-02T03:04:05Z",
        data={"lines": [1, 2.5, None, "é"]},
        body=body,
        headers={"webhook-sequence": "17", "host": "h"},
        sent_at=1614265330,
        attempt=2,
        sequence="17",
        replay=None,
    )


def test_only_the_type_is_required() -> None:
    received = read(b'{"type": "ping", "more": 1, "subject": null}')
    assert (received.type, received.data, received.subject, received.source) == ("ping", None, None, None)


def test_a_cloud_event_says_its_time_by_another_name() -> None:
    body = b'{"specversion": "1.0", "source": "/s", "type": "ping", "time": "2026-01-02T03:04:05Z", "data": 5}'
    received = read(body)
    assert (received.timestamp, received.source, received.data) == ("2026-01-02T03:04:05Z", "/s", 5)
    assert read(b'{"type": "ping", "timestamp": null, "time": "later"}').timestamp is None


def test_the_id_is_the_signed_one_and_not_that_of_the_body() -> None:
    assert read(b'{"type": "ping", "id": "another"}').id == "evt_1"


def test_a_replay_is_told() -> None:
    received = read(b'{"type": "ping"}', webhook_replay="rpl_1", webhook_original_id="evt_0")
    assert received.replay == Replay("rpl_1", "evt_0")
    assert read(b'{"type": "ping"}', webhook_original_id="evt_0").replay is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"42",
        b"[]",
        b'"order.placed"',
        b"{}",
        b'{"type": 5}',
        b'{"type": null}',
        b'{"type": ""}',
        b'{"type": "a b"}',
        b'{"type": "' + b"a" * 129 + b'"}',
        b'{"type": "\\ud800"}',
        b'{"type": "ping", "subject": 5}',
        b'{"type": "ping", "source": []}',
        b'{"type": "ping", "timestamp": 1614265330}',
        b'{"type": "ping"} x',
        b'{"type": "ping", "data": NaN}',
        b'{"type": "ping", "data": -Infinity}',
        b'{"type": "ping", "data": "\xff"}',
        b'\xef\xbb\xbf{"type": "ping"}',
        '{"type": "ping"}'.encode("utf-16"),
        b'{"type": "ping", "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type": "ping", "data": ' + b"9" * 10_000 + b"}",
    ],
)
def test_what_is_no_event(body: bytes) -> None:
    with pytest.raises(VerificationError, match="not an event") as raised:
        read(body)
    assert raised.value.code == "payload_invalid"


@given(st.one_of(st.binary(), st.text().map(lambda text: json.dumps({"type": "ping", "subject": text}).encode())))
def test_nothing_but_a_verification_error_comes_out(body: bytes) -> None:
    try:
        read(body)
    except VerificationError as error:
        assert error.code == "payload_invalid"  # noqa: PT017 - either way is right
