"""What goes over the wire for one attempt: the body and the headers, as pure functions.

The dispatcher sends what these functions make; the API shows it again from the stored event and attempt, so that
nothing derivable is stored and nothing shown is a guess. Two consequences bind every caller:

- `webhook-timestamp` is the attempt's start in whole seconds: `started_ms // 1000` of the stored attempt;
- the span id in `traceparent` depends on delivery and attempt number alone.

The body carries the payload byte for byte: it is placed between our own bytes, never parsed and written again.

Sources: Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`), W3C Trace Context Level 2.
"""

import hashlib
import re
from collections.abc import Mapping
from importlib.metadata import version

import msgspec

from gateway import rfc3339
from gateway.ids import DeliveryKey
from gateway.model.event import Event

USER_AGENT = f"Hookline/{version('hookline')}"
CONTENT_TYPE = "application/json"
_SAMPLED = 0x01
_KNOWN_FLAGS = 0x03
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_text = msgspec.json.Encoder().encode


def timestamp(event: Event) -> str:
    """When it happened: the event's time as given, else its acceptance as RFC 3339 with milliseconds and `Z`."""
    return event.time or rfc3339.format_ms(event.address.ms)


def body(event: Event) -> bytes:
    """`{"id","type","source","subject"?,"timestamp","data"}`, compact; `data` is the payload as received.

    Texts are JSON strings in UTF-8; `event` must have been read with its data.
    """
    parts = [b'{"id":', _text(event.id), b',"type":', _text(event.type), b',"source":', _text(event.source)]
    if event.subject:
        parts += (b',"subject":', _text(event.subject))
    parts += (b',"timestamp":', _text(timestamp(event)), b',"data":', event.data, b"}")
    return b"".join(parts)


def webhook_id(event: Event, run: int = 0) -> str:
    """The event's id, the same on every attempt; `{event id}:r{run}` in a replay that asks to process once more."""
    return f"{event.id}:r{run}" if run else event.id


def traceparent(event: Event, key: DeliveryKey, attempt: int) -> str:
    """The W3C header of one attempt: the publisher's trace if it sent a valid one, else a trace made from the event id.

    The span id is made from delivery and attempt number. Our own trace is marked sampled, so that a receiver that
    follows its caller does what it would do without the header.
    """
    trace, flags = _publishers_trace(event.traceparent) or (_hex(event.id.encode(), 16), _SAMPLED)
    span = _hex(b"%b%b%d.%d" % (trace.encode(), key.packed(), key.partition, attempt), 8)
    return f"00-{trace}-{span}-{flags:02x}"


def _publishers_trace(text: str) -> tuple[str, int] | None:
    match = _TRACEPARENT.fullmatch(text) if text else None
    if match is None:
        return None
    number, trace, parent, flags, more = match.groups()
    if number == "ff" or (number == "00" and more) or not trace.strip("0") or not parent.strip("0"):
        return None
    return trace, int(flags, 16) & _KNOWN_FLAGS


def _hex(source: bytes, size: int) -> str:
    digest = hashlib.sha256(source).digest()[:size]
    return (digest if any(digest) else digest[:-1] + b"\x01").hex()


def headers(
    event: Event,
    webhook_id: str,
    attempt: int,
    timestamp_seconds: int,
    signature: str,
    traceparent: str,
    own: Mapping[str, str] | None = None,
) -> list[tuple[str, str]]:
    """The headers of one attempt in the order in which they are sent, names in lower case.

    `signature` is the whole `webhook-signature` value, `own` the endpoint's own headers, which come last. A replay
    with its own webhook id also says which event it repeats. Host and Content-Length are the sender's.
    """
    pairs = [
        ("content-type", CONTENT_TYPE),
        ("user-agent", USER_AGENT),
        ("webhook-id", webhook_id),
        ("webhook-timestamp", str(timestamp_seconds)),
        ("webhook-signature", signature),
        ("webhook-attempt", str(attempt)),
        ("traceparent", traceparent),
    ]
    if webhook_id != event.id:
        pairs += [("webhook-replay", webhook_id.rpartition(":r")[2]), ("webhook-original-id", event.id)]
    if own:
        pairs += own.items()
    return pairs
