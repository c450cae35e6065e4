"""Bytes of a publisher into a NewEvent, strictly; the payload stays as it was received.

The quick path accepts only what is plainly right: one pass over the envelope, one over the whole for its structure.
Whatever it does not accept goes the slow way, which is the strict parser's, and either names every fault or accepts.
"""

import re
from typing import Any

import msgspec

from gateway import ids, problems, rfc3339, strict_json
from gateway.model.event import NewEvent
from gateway.problems import Problem
from receivers import patterns

MAX_TEXT = 255
RESERVED_TYPE = "hookline."
_TEXT = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_SOURCE = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-[!-~]{0,100})?")


class Envelope(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST /v1/events` takes: CloudEvents attributes, addressing, and the payload as any JSON value."""

    type: str
    data: msgspec.Raw
    id: str | None = None
    source: str | None = None
    subject: str | None = None
    time: str | None = None
    subscriber: str | None = None
    partitionkey: str | None = None


_SPACED_COLONS = (b" :", b"\t:", b"\n:", b"\r:")
_FIELDS = tuple(field.name for field in msgspec.structs.fields(Envelope))
_decode = msgspec.json.Decoder(Envelope).decode
_decode_any = msgspec.json.Decoder().decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def read(raw: bytes, source: str, idempotency_key: str | None = None, traceparent: bytes = b"") -> NewEvent:
    """The event in a body. `source` is taken if none is given; `idempotency_key` is the id if none is given.

    Raises Problem: malformed_json or invalid_encoding with the offset, invalid_request naming each field, id_conflict.
    """
    envelope = _read_quickly(raw) or _read_slowly(raw)
    given = envelope.id
    if idempotency_key is not None:
        if given is not None and given != idempotency_key:
            raise Problem("id_conflict", f"the body has id {given!r}, Idempotency-Key is {idempotency_key!r}")
        given = idempotency_key
    trace = traceparent.decode() if traceparent and _TRACEPARENT.fullmatch(traceparent) else ""
    return NewEvent(
        envelope.source or source, envelope.type, bytes(envelope.data), given or "", envelope.subject or "",
        envelope.partitionkey or "", envelope.subscriber or "", envelope.time or "", trace,
    )  # fmt: skip


def read_items(raw: bytes) -> list[bytes]:
    """The items of a batch as they are. Raises Problem `malformed_json` or `invalid_encoding` when it is no array."""
    strict_json.text_of(raw)
    try:
        return [bytes(item) for item in _decode_items(raw)]
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        value = strict_json.decode(raw)
        found = "an array with an item that cannot be read" if isinstance(value, list) else type(value).__name__
        raise Problem("malformed_json", f"expected an array of events, found {found}", offset=0) from None


def _read_quickly(raw: bytes) -> Envelope | None:
    try:
        envelope = _decode(raw)
        if _has_fault(envelope) or not _is_plain(raw, _decode_any(raw)):
            return None
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError, ValueError):
        return None
    return envelope


def _has_fault(envelope: Envelope) -> bool:
    """Whether any text of it is not plainly right; `_faults` says what it is."""
    event_type, event_id, source = envelope.type, envelope.id, envelope.source
    if not patterns.is_event_type(event_type) or event_type.startswith(RESERVED_TYPE):
        return True
    if event_id is not None and not ids.is_own_id(event_id):
        return True
    for text in (envelope.subject, envelope.partitionkey):
        if text is not None and not _TEXT.fullmatch(text):
            return True
    if source is not None and not _SOURCE.fullmatch(source):
        return True
    if envelope.subscriber is not None and not ids.OWN_ID.fullmatch(envelope.subscriber):
        return True
    return envelope.time is not None and _time_fault(envelope.time) is not None


def _is_plain(raw: bytes, value: Any) -> bool:
    """Whether no key is twice in `value`, which `raw` decodes to, and nothing nests deeply; False: look closer.

    Every key is followed by a colon, with or without space before it. So as many colons as there are keys after
    decoding, where a second key of one name is gone, prove that there was none. Where texts have colons in them, the
    same holds for `":`, if no colon has space before it.
    """
    keys = _count_keys(value, 1)
    if raw.count(b":") == keys:
        return True
    return raw.count(b'":') == keys and not any(spaced in raw for spaced in _SPACED_COLONS)


def _count_keys(value: Any, depth: int) -> int:
    if depth > strict_json.MAXIMUM_DEPTH:
        raise RecursionError
    count = 0
    if type(value) is dict:
        count = len(value)
        value = value.values()
    elif type(value) is not list:
        return 0
    for inner in value:
        if type(inner) is dict or type(inner) is list:
            count += _count_keys(inner, depth + 1)
    return count


def _read_slowly(raw: bytes) -> Envelope:
    value = strict_json.decode_object(raw, nul=True)
    if "\\u0000" in raw.decode():
        strict_json.decode_object(_without_data(raw, value), nul=False)
    errors = [problems.field_error(name, "unknown field", value[name]) for name in value if name not in _FIELDS]
    errors += [problems.field_error(name, "required") for name in ("type", "data") if name not in value]
    errors += [
        problems.field_error(name, "expected a string", value[name])
        for name in _FIELDS
        if name != "data" and name in value and not isinstance(value[name], str)
    ]
    named = {error.field for error in errors}
    errors += [e for e in _faults(value) if e.field not in named]
    problems.refuse_fields(errors)
    return _decode(raw)


def _without_data(raw: bytes, value: dict[str, Any]) -> bytes:
    """The envelope alone, in which NUL is refused; in the payload it is the publisher's business."""
    return msgspec.json.encode({name: inner for name, inner in value.items() if name != "data"}) if raw else raw


def _faults(value: dict[str, Any]) -> list[problems.FieldError]:
    """What is wrong with texts of an envelope; fields that are missing or no strings are not looked at."""
    texts = {name: text for name, text in value.items() if name in _CHECKS and isinstance(text, str)}
    return [
        problems.field_error(name, reason, text)
        for name, text in texts.items()
        if (reason := _CHECKS[name](text)) is not None
    ]


def _type_fault(text: str) -> str | None:
    if not patterns.is_event_type(text):
        return "expected an event type: 1-128 of A-Z a-z 0-9 _ . -"
    return f"{RESERVED_TYPE}* is published by Hookline alone" if text.startswith(RESERVED_TYPE) else None


def _id_fault(text: str) -> str | None:
    if ids.is_own_id(text):
        return None
    return f"expected 1-100 of A-Z a-z 0-9 _ : - not beginning with {' '.join(ids.RESERVED_PREFIXES)}"


def _subscriber_fault(text: str) -> str | None:
    return None if ids.OWN_ID.fullmatch(text) else "expected a subscriber's id: 1-100 of A-Z a-z 0-9 _ : -"


def _text_fault(text: str) -> str | None:
    return None if _TEXT.fullmatch(text) else f"expected 1-{MAX_TEXT} characters without control characters"


def _source_fault(text: str) -> str | None:
    return None if _SOURCE.fullmatch(text) else f"expected a URI reference: 1-{MAX_TEXT} visible ASCII characters"


def _time_fault(text: str) -> str | None:
    try:
        rfc3339.parse_ms(text)
    except ValueError as error:
        return str(error)
    return None


_CHECKS = {
    "type": _type_fault,
    "id": _id_fault,
    "source": _source_fault,
    "subject": _text_fault,
    "time": _time_fault,
    "subscriber": _subscriber_fault,
    "partitionkey": _text_fault,
}


def check_idempotency_key(raw: bytes | None) -> str | None:
    """The Idempotency-Key header as an id; raises Problem `invalid_parameter` if it cannot be one."""
    if raw is None:
        return None
    text = raw.decode("latin-1")
    fault = _id_fault(text)
    if fault is not None:
        raise Problem("invalid_parameter", f"Idempotency-Key is {text[:120]!r}: {fault}")
    return text
