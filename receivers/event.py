"""The event as a handler sees it, read from a body whose signature is already proven.

Body: a JSON object `{"type", "id"?, "source"?, "subject"?, "timestamp"?, "data"?}`; only `type` is required, so that
other Standard Webhooks senders can be received too, and CloudEvents in structured mode, which say `time`; unknown
members are left in `body`. What a sender puts into headers (CloudEvents in binary mode) is not signed and not read.
It refuses NaN and Infinity, a byte-order mark, and any encoding but UTF-8.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from receivers.errors import VerificationError
from receivers.headers import Headers
from receivers.patterns import is_event_type
from receivers.verification import Verified


@dataclass(frozen=True, slots=True)
class Replay:
    """This delivery was asked for by an operator, to process an event once more.

    `run` names the replay; `original_id` is the `webhook-id` of the first time. Both come from headers that the
    signature does not cover.
    """

    run: str
    original_id: str | None


@dataclass(frozen=True, slots=True)
class Event:
    """One verified event.

    `id` is the `webhook-id`: the same on every retry, what the inbox deduplicates by. `type source subject timestamp
    data` come from the body: `timestamp` is the time of the event (RFC 3339 text as the sender wrote it), `data` its
    parsed JSON. `sent_at` is the signed time of this attempt, in seconds since the epoch. `attempt`, `sequence`
    (position in the sender's log, larger is later) and `replay` are the sender's word, not covered by the signature.
    """

    id: str
    type: str
    source: str | None
    subject: str | None
    timestamp: str | None
    data: Any
    body: bytes
    headers: Mapping[str, str]
    sent_at: int
    attempt: int | None
    sequence: str | None
    replay: Replay | None


def read(body: bytes, headers: Headers, verified: Verified) -> Event:
    """Read the event; raises VerificationError `payload_invalid` when the body is not one."""
    members = _object(body)
    event_type = members.get("type")
    if not isinstance(event_type, str) or not is_event_type(event_type):
        raise _invalid('"type" is not an event type (1-128 of A-Z a-z 0-9 _ . -)')
    return Event(
        id=verified.id,
        type=event_type,
        source=_text(members, "source"),
        subject=_text(members, "subject"),
        timestamp=_text(members, "timestamp" if "timestamp" in members else "time"),
        data=members.get("data"),
        body=body,
        headers=headers.fields,
        sent_at=verified.timestamp,
        attempt=verified.attempt,
        sequence=headers.get("webhook-sequence"),
        replay=_replay(headers),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        # decoded first: json.loads would guess UTF-16 and UTF-32 from bytes
        parsed = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise _invalid("it is nested too deeply") from None
    except ValueError as error:
        raise _invalid(f"it is not JSON in UTF-8 ({type(error).__name__})") from None
    if not isinstance(parsed, dict):
        raise _invalid("it is not a JSON object")
    return parsed


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def _text(members: Mapping[str, Any], name: str) -> str | None:
    value = members.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _invalid(f'"{name}" is neither text nor null')


def _replay(headers: Headers) -> Replay | None:
    run = headers.get("webhook-replay")
    return None if run is None else Replay(run, headers.get("webhook-original-id"))


def _invalid(what: str) -> VerificationError:
    return VerificationError("payload_invalid", f"the signature is good, but the body is not an event: {what}")
