import hashlib
from typing import Any

import msgspec
import pytest

from dispatcher import request
from gateway import ids
from gateway.api import delivery_types as types
from gateway.clock import SystemClock
from gateway.egress import Egress
from gateway.model.delivery import Attempt, AttemptError, Reason, Record, State, Trigger
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.model.profile import ProfileTimestamp, SignatureProfile
from gateway.store.registry_reads import EndpointName
from tests.support import described
from tests.support.sealed import secret, texts, with_secrets

ADDRESS = ids.Address(1_764_000_000_007, 3, 2)
KEY = ids.DeliveryKey(*ADDRESS, 9)
EVENT = Event(ADDRESS, "order-1", "/keys/shop", "order.placed", b'{"n":1}', subject="order/1")
OWNER = EndpointName("mail", "acme")
STARTED = 1_764_000_001_500
SENT = Attempt(
    Trigger.SCHEDULE, STARTED, 12, AttemptError.HTTP_STATUS, "203.0.113.7:443", "https://example.com/hook",
    b"v1,abc", {"X-Team": "a"}, 503, b"Retry-After: 5\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\ncut", b"busy", False,
)  # fmt: skip


def fields(record: Record, key: ids.DeliveryKey = KEY) -> dict[str, Any]:
    return types.fields_of(key, record, EVENT, OWNER, None)


@pytest.mark.parametrize("state", State)
def test_every_state_and_reason_has_its_name(state: State) -> None:
    schema = described.document()["components"]["schemas"]["Delivery"]["properties"]
    assert schema["status"]["enum"] == [one.name.lower() for one in State]
    reasons = next(one["enum"] for one in schema["reason"]["anyOf"] if "enum" in one)
    assert reasons == [one.name.lower() for one in Reason if one]
    for reason in Reason:
        shown = fields(Record(state, reason))
        assert shown["status"] in schema["status"]["enum"]
        assert shown["reason"] is None if reason is Reason.NONE else shown["reason"] in reasons


def test_a_scheduled_delivery_says_when_it_is_tried_next() -> None:
    shown = fields(Record(State.SCHEDULED, Reason.NONE, 2, 503, AttemptError.HTTP_STATUS, 2, STARTED, STARTED, 0))
    assert shown == {
        "id": KEY.delivery_id,
        "event": "order-1",
        "webhook_id": "order-1",
        "type": "order.placed",
        "endpoint": "mail",
        "subscriber": "acme",
        "status": "scheduled",
        "reason": None,
        "next_attempt_at": "2025-11-24T16:00:01.500Z",
        "accepted_at": "2025-11-24T16:00:00.007Z",
        "updated_at": "2025-11-24T16:00:01.500Z",
        "last_response_status": 503,
        "last_error": "http_status",
        "replay": None,
    }
    types.Delivery(**fields(Record(State.PENDING)), attempts=0)


def test_every_state_reason_error_and_trigger_is_in_the_schema_and_nothing_else() -> None:
    properties = msgspec.json.schema(types.Delivery)["$defs"]["Delivery"]["properties"]
    assert properties["status"]["enum"] == [state.name.lower() for state in State]
    shown = {types.name(reason) for reason in Reason}
    assert shown == {None, *properties["reason"]["anyOf"][0]["enum"]}
    assert properties["last_error"]["anyOf"][0]["enum"] == [
        "dns", "address_blocked", "connect_refused", "connect_timeout", "reset", "tls", "deadline", "head_too_large",
        "protocol", "http_status",
    ]  # fmt: skip


def test_a_replays_own_delivery_has_its_own_webhook_id() -> None:
    assert fields(Record(State.PENDING, run=4), KEY._replace(run=4))["webhook_id"] == "order-1:r4"


def test_what_is_left_of_a_delivery_whose_event_is_gone() -> None:
    shown = types.fields_of(KEY, Record(State.DEAD, Reason.EXHAUSTED, 1), None, None, None)
    assert (shown["event"], shown["type"], shown["endpoint"]) == (ADDRESS.event_id, None, None)
    attempt = types.attempt_view(KEY, 1, SENT, None, header_values=True)
    assert attempt.request == types.AttemptRequest("https://example.com/hook", None, None)


URL = "https://example.com:8443/hook?a=1"
ENDPOINT = with_secrets(
    Endpoint("mail", 9, "acme", "external", URL, headers={"X-Team": "a", "Authorization": "Bearer x"}),
    secret("sec_3", "v1"), secret("sec_2", "v1", expires_ms=2**50), secret("sec_1", "v1a"),
)  # fmt: skip
POLICIES: tuple[dict[str, Any], ...] = (
    {},
    {"format": "cloudevents", "signatures": ("v1", "v1a")},
    {"format": "cloudevents-binary", "ordered": True},
    {"format": "raw", "signature_profile": SignatureProfile("stripe")},
    {"signature_profile": SignatureProfile("hmac", "X-Sig", timestamp=ProfileTimestamp("X-Time"))},
)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("trigger", [Trigger.FIRST, Trigger.MANUAL])
def test_the_request_shown_is_the_request_that_the_dispatcher_builds(policy: dict[str, Any], trigger: Trigger) -> None:
    endpoint = msgspec.structs.replace(ENDPOINT, **policy)
    for key in (KEY, KEY._replace(run=4)):
        egress = Egress((), SystemClock())
        route = request.route(endpoint, texts(endpoint), egress)
        carried = request.content(EVENT, endpoint.format)
        built = request.build(route, EVENT, key, 3, STARTED, trigger, carried)
        egress.close()
        head, sent_body = b"".join(built.pieces).split(b"\r\n\r\n", 1)
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")[1:]]
        stored = msgspec.structs.replace(
            SENT, url=URL, signature=built.signature, headers={**route.shown_headers}, trigger=int(trigger)
        )
        shown = types.attempt_view(key, 3, stored, EVENT, header_values=True).request
        assert shown is not None
        assert shown.headers is not None
        expected = {name.lower(): value for name, value in lines}
        assert list(shown.headers) == list(expected)
        assert shown.headers == {**expected, "authorization": "***"}
        assert shown.body_sha256 == hashlib.sha256(sent_body).hexdigest()


def test_header_values_are_hidden_from_who_may_only_read() -> None:
    shown = types.attempt_view(KEY, 1, SENT, EVENT, header_values=False).request
    assert shown is not None
    assert shown.headers is not None
    assert (shown.headers["x-team"], shown.headers["webhook-id"]) == ("***", "order-1")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:443/", "example.com"),
        ("http://example.com:80/", "example.com"),
        ("http://example.com:443/", "example.com:443"),
        ("http://[2001:db8::1]:80/", "[2001:db8::1]"),
    ],
)
def test_the_host_header_leaves_the_default_port_out(url: str, host: str) -> None:
    shown = types.attempt_view(KEY, 1, msgspec.structs.replace(SENT, url=url), EVENT, header_values=True).request
    assert shown is not None
    assert shown.headers is not None
    assert shown.headers["host"] == host


def test_the_attempt_shows_what_came_back() -> None:
    shown = types.attempt_view(KEY, 2, SENT, EVENT, header_values=True)
    assert (shown.number, shown.trigger, shown.error, shown.duration_ms) == (2, "schedule", "http_status", 12)
    assert shown.response == types.AttemptResponse(
        503, {"retry-after": "5", "set-cookie": "a=1, b=2"}, "busy", False, "utf-8"
    )


@pytest.mark.parametrize(
    ("body", "truncated", "text", "encoding"),
    [
        (b"", False, "", "utf-8"),
        ("Grüße".encode(), False, "Grüße", "utf-8"),
        ("Grü".encode()[:3], True, "Gr", "utf-8"),
        ("Grü".encode()[:3], False, "R3LD", "base64"),
        (b"\xff\x00", True, "/wA=", "base64"),
    ],
)
def test_a_body_is_text_if_it_can_be(body: bytes, truncated: bool, text: str, encoding: str) -> None:
    stored = msgspec.structs.replace(SENT, body=body, body_truncated=truncated)
    response = types.attempt_view(KEY, 1, stored, EVENT, header_values=True).response
    assert response is not None
    assert (response.body, response.body_encoding, response.body_truncated) == (text, encoding, truncated)


def test_an_attempt_that_never_left_has_no_request_and_one_without_answer_no_response() -> None:
    refused = msgspec.structs.replace(
        SENT, error=AttemptError.ADDRESS_BLOCKED, signature=b"", url="", status=0, remote_address="", detail="10.0.0.1"
    )
    shown = types.attempt_view(KEY, 1, refused, EVENT, header_values=True)
    assert (shown.request, shown.response, shown.remote_address) == (None, None, None)
    assert (shown.error, shown.error_detail) == ("address_blocked", "10.0.0.1")
    done = types.attempt_view(KEY, 1, msgspec.structs.replace(SENT, error=0, status=204), EVENT, header_values=True)
    assert done.error is None
