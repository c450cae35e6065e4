"""What goes over the wire for one attempt: the body and the headers, as pure functions.

The dispatcher sends what these functions make; the API shows it again from the stored event and attempt, so that
nothing derivable is stored and nothing shown is a guess. Three consequences bind every caller:

- `webhook-timestamp` is the attempt's start in whole seconds: `started_ms // 1000` of the stored attempt;
- the span id in `traceparent` depends on delivery and attempt number alone;
- what event, delivery and attempt do not tell (signatures, the format then in force) is kept with the attempt: `Sent`.

The formats, each with the `webhook-*` headers, whose signature covers the bytes sent:

| format | body | content type |
|---|---|---|
| `standard` | `{"id","type","source","subject"?,"timestamp","data"}` | `application/json` |
| `cloudevents` | CloudEvents in structured mode | `application/cloudevents+json` |
| `cloudevents-binary` | the payload; attributes are `ce-*` headers, percent-encoded | `application/json` |
| `raw` | the payload | `application/json` |

The body carries the payload byte for byte: it is placed between our own bytes, never parsed and written again. The
body is the same for every endpoint, attempt and replay: `id` and `ce-id` are the event's, whatever `webhook-id` says.

Sources: Standard Webhooks 1.0 (`webhook-id`, `webhook-timestamp`, `webhook-signature`), W3C Trace Context Level 2,
CloudEvents 1.0.2 (JSON format; HTTP binding, 3.1.3.2 for the percent-encoding; extensions `partitionkey` and
`traceparent`).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import NamedTuple, get_args
from urllib.parse import quote

import msgspec

from gateway import rfc3339
from gateway.ids import DeliveryKey
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Format
from gateway.model.event import Event

USER_AGENT = f"Hookline/{version('hookline')}"
CONTENT_TYPE = "application/json"
CONTENT_TYPES: Mapping[Format, str] = {
    "standard": CONTENT_TYPE,
    "cloudevents": "application/cloudevents+json",
    "cloudevents-binary": CONTENT_TYPE,
    "raw": CONTENT_TYPE,
}
ASIDE: Mapping[int, str] = {Trigger.MANUAL: "manual", Trigger.REPLAY: "replay"}
"""The `webhook-trigger` of attempts that stand outside live order."""
_SPECVERSION = "1.0"
_SAMPLED = 0x01
_KNOWN_FLAGS = 0x03
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_PLAIN = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_json = msgspec.json.Encoder().encode


class Sent(NamedTuple):
    """What an attempt keeps of its request: the `webhook-signature` value, the format, headers that nothing derives."""

    signature: bytes
    format: Format = "standard"
    headers: tuple[tuple[str, str], ...] = ()

    def packed(self) -> bytes:
        """One line for the signature; if there is more to say, one for the format and one for each header."""
        if self.format == "standard" and not self.headers:
            return self.signature
        lines = (f"{name}: {value}".encode("latin-1") for name, value in self.headers)
        return b"\n".join((self.signature, self.format.encode(), *lines))


def unpack_sent(packed: bytes) -> Sent:
    """The reverse of `Sent.packed`."""
    signature, *more = packed.split(b"\n")
    if not more:
        return Sent(signature)
    fields = (line.decode("latin-1").partition(": ") for line in more[1:])
    found = next(name for name in get_args(Format) if name == more[0].decode())
    return Sent(signature, found, tuple((name, value) for name, _, value in fields))


def timestamp(event: Event) -> str:
    """When it happened: the event's time as given, else its acceptance as RFC 3339 with milliseconds and `Z`."""
    return event.time or rfc3339.format_ms(event.address.ms)


def body(event: Event, format_: Format = "standard") -> bytes:
    """The body in a format; `event` must have been read with its data. Texts are JSON strings in UTF-8."""
    if format_ == "standard":
        data = msgspec.Raw(event.data)
        return _json(_Standard(event.id, event.type, event.source, event.subject, timestamp(event), data))
    return _structured(event) if format_ == "cloudevents" else event.data


class _Standard(msgspec.Struct, omit_defaults=True, gc=False):
    id: str
    type: str
    source: str
    subject: str = ""
    timestamp: str = ""
    data: msgspec.Raw = msgspec.Raw()


def _structured(event: Event) -> bytes:
    given = {**dict(_attributes(event)), "datacontenttype": CONTENT_TYPE}
    return b"%b,%b%b}" % (_json(given)[:-1], b'"data":', event.data)


def _attributes(event: Event) -> Iterator[tuple[str, str]]:
    """The CloudEvents attributes but for the type of the data."""
    yield "specversion", _SPECVERSION
    yield "id", event.id
    yield "source", event.source
    yield "type", event.type
    if event.subject:
        yield "subject", event.subject
    yield "time", timestamp(event)
    if event.partitionkey:
        yield "partitionkey", event.partitionkey
    if _publishers_trace(event.traceparent):
        yield "traceparent", event.traceparent


def event_headers(event: Event, format_: Format) -> list[tuple[str, str]]:
    """The headers in which a format carries the event; they are the same for all its attempts."""
    if format_ != "cloudevents-binary":
        return []
    return [(f"ce-{name}", quote(value, safe=_PLAIN)) for name, value in _attributes(event)]


def webhook_id(event: Event, run: int = 0) -> str:
    """The event's id, the same on every attempt; `{event id}:r{run}` in a replay that asks to process once more."""
    return f"{event.id}:r{run}" if run else event.id


def sequence(event: Event) -> str:
    """The event's position in its log as one decimal number, growing inside a partition."""
    return str(event.address.ms * 1_000_000 + event.address.seq)


class Trace(msgspec.Struct, frozen=True, gc=False):
    """A trace id (32 hexadecimal digits) and its flags."""

    id: str
    flags: int


def trace(event: Event) -> Trace:
    """The publisher's trace if it sent a valid one, else a trace made from the event id.

    Our own is marked sampled, so that a receiver that follows its caller does what it would do without the header.
    """
    given = _publishers_trace(event.traceparent) if event.traceparent else None
    return given or Trace(_hex(event.id.encode(), 32), _SAMPLED)


def traceparent(trace: Trace, key: DeliveryKey, attempt: int) -> str:
    """The W3C header of one attempt; the span id is made from delivery and attempt number."""
    span = _hex(b"%b%b%d.%d" % (trace.id.encode(), key.packed(), key.partition, attempt), 16)
    return f"00-{trace.id}-{span}-{trace.flags:02x}"


def _publishers_trace(text: str) -> Trace | None:
    match = _TRACEPARENT.fullmatch(text)
    if match is None:
        return None
    number, found, parent, flags, more = match.groups()
    if number == "ff" or (number == "00" and more) or not found.strip("0") or not parent.strip("0"):
        return None
    return Trace(found, int(flags, 16) & _KNOWN_FLAGS)


def _hex(source: bytes, digits: int) -> str:
    found = hashlib.sha256(source).hexdigest()[:digits]
    return found if found.strip("0") else "1".zfill(digits)


def headers(
    event: Event,
    key: DeliveryKey,
    attempt: int,
    started_ms: int,
    trigger: int,
    sent: Sent,
    own: Mapping[str, str] | None = None,
) -> list[tuple[str, str]]:
    """The headers of one attempt in the order in which they are sent, names in lower case.

    `own` are the endpoint's own headers, which come last. A replay with its own webhook id also says which event it
    repeats. Host and Content-Length are the sender's.
    """
    pairs = [
        ("content-type", CONTENT_TYPES[sent.format]),
        ("user-agent", USER_AGENT),
        ("webhook-id", webhook_id(event, key.run)),
        ("webhook-timestamp", str(started_ms // 1_000)),
        ("webhook-signature", sent.signature.decode("ascii")),
        ("webhook-attempt", str(attempt)),
        ("traceparent", traceparent(trace(event), key, attempt)),
        *outside_order(event, key, trigger),
        *sent.headers,
        *event_headers(event, sent.format),
    ]
    if own:
        pairs += own.items()
    return pairs


def outside_order(event: Event, key: DeliveryKey, trigger: int) -> list[tuple[str, str]]:
    """The headers that set an attempt apart from live deliveries."""
    pairs = [("webhook-replay", str(key.run)), ("webhook-original-id", event.id)] if key.run else []
    if trigger in ASIDE:
        pairs.append(("webhook-trigger", ASIDE[trigger]))
    return pairs
