"""How subscribers and endpoints lie in the registry's hashes.

A value is a packed head followed by JSON. The head holds what scripts read or change; the JSON is opaque to them,
since a number that goes through Lua's JSON comes out as another number.

    subscriber  token (8), kind (1: i or e), created_ms (8), count (4), endpoint numbers (4 each), JSON
    endpoint    token (8), number (4), kind (1), revision (4), status (1), since_ms (8), updated_ms (8), JSON

`token` is random per creating call: a call that redis-py repeats after a lost reply recognises its own work. Numbers
are big-endian. Status is 0 for enabled, else the reason of being disabled: 1 gone, 2 failing, 3 operator; or 4 for
paused. `since_ms` is when it was disabled or paused.
The list of endpoint numbers makes a subscriber's endpoints findable, and removable in one script, without an index.
"""

import secrets
import struct
from typing import NamedTuple

import msgspec

from gateway.model.endpoint import DisabledReason, Endpoint
from gateway.model.subscriber import Kind, Subscriber

TOKEN_BYTES = 8
_SUBSCRIBER = struct.Struct(">8s1sQI")
_ENDPOINT = struct.Struct(">8sI1sIBQQ")
REASONS: tuple[DisabledReason | None, ...] = (None, "gone", "failing", "operator")
PAUSED = 4
_KINDS: dict[bytes, Kind] = {b"i": "internal", b"e": "external"}
_encoder = msgspec.json.Encoder()
_subscribers = msgspec.json.Decoder(Subscriber)
_endpoints = msgspec.json.Decoder(Endpoint)


class SubscriberValue(NamedTuple):
    """A subscriber with the numbers of its endpoints, in order of creation."""

    subscriber: Subscriber
    endpoints: tuple[int, ...]


def new_token() -> bytes:
    """One per creating call."""
    return secrets.token_bytes(TOKEN_BYTES)


def kind_byte(kind: Kind) -> bytes:
    """`i` or `e`."""
    return kind[:1].encode()


def subscriber_json(subscriber: Subscriber) -> bytes:
    """The JSON part of a subscriber's value."""
    return _encoder.encode(msgspec.structs.replace(subscriber, created_ms=0))


def pack_subscriber(subscriber: Subscriber, token: bytes) -> bytes:
    """The value of a subscriber without endpoints."""
    head = _SUBSCRIBER.pack(token, kind_byte(subscriber.kind), subscriber.created_ms, 0)
    return head + subscriber_json(subscriber)


def unpack_subscriber(value: bytes) -> SubscriberValue:
    """The reverse of `pack_subscriber`, with what scripts added."""
    _, kind, created_ms, count = _SUBSCRIBER.unpack_from(value)
    numbers = struct.unpack_from(f">{count}I", value, _SUBSCRIBER.size)
    body = _subscribers.decode(memoryview(value)[_SUBSCRIBER.size + 4 * count :])
    return SubscriberValue(msgspec.structs.replace(body, kind=_KINDS[kind], created_ms=created_ms), numbers)


def pack_endpoint(endpoint: Endpoint, token: bytes) -> bytes:
    """The value of an endpoint; a script puts the number in. Disabled without a reason means: by an operator."""
    status, since_ms = 0, 0
    if endpoint.status == "disabled":
        status = REASONS.index(endpoint.disabled_reason or "operator")
        since_ms = endpoint.disabled_ms or endpoint.updated_ms
    elif endpoint.status == "paused":
        status, since_ms = PAUSED, endpoint.paused_ms or endpoint.updated_ms
    head = _ENDPOINT.pack(
        token, endpoint.number, kind_byte(endpoint.kind), endpoint.revision, status, since_ms, endpoint.updated_ms
    )
    body = msgspec.structs.replace(
        endpoint, number=0, revision=0, status="enabled", disabled_reason=None, disabled_ms=None, paused_ms=None,
        updated_ms=0,
    )  # fmt: skip
    return head + _encoder.encode(body)


def unpack_endpoint(value: bytes) -> Endpoint:
    """The reverse of `pack_endpoint`; what the head says wins."""
    _, number, kind, revision, status, since_ms, updated_ms = _ENDPOINT.unpack_from(value)
    disabled = 0 < status < PAUSED
    return msgspec.structs.replace(
        _endpoints.decode(memoryview(value)[_ENDPOINT.size :]),
        number=number,
        kind=_KINDS[kind],
        revision=revision,
        status="paused" if status == PAUSED else "disabled" if disabled else "enabled",
        disabled_reason=REASONS[status] if disabled else None,
        disabled_ms=since_ms if disabled else None,
        paused_ms=since_ms if status == PAUSED else None,
        updated_ms=updated_ms,
    )
