"""How deliveries and attempts look in the API, made from records, stored attempts and the event.

The request of an attempt is not stored: `gateway.wire` makes it again from the event, so what is shown is what was
sent. When the event is gone, its headers and the digest of its body are null.
"""

import base64
import codecs
import hashlib
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from gateway import ids, rfc3339, wire
from gateway.api.endpoint_types import HIDDEN, Time
from gateway.api.filters import names
from gateway.model import delivery as model
from gateway.model.event import Event
from gateway.store.registry_reads import EndpointName

Status = Annotated[str, Meta(extra_json_schema={"enum": names(model.State)})]
Reason = Annotated[str, Meta(extra_json_schema={"enum": names(model.Reason)})]
Error = Annotated[str, Meta(extra_json_schema={"enum": names(model.AttemptError)})]
Trigger = Annotated[str, Meta(extra_json_schema={"enum": names(model.Trigger)})]
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class DeliveryFields(msgspec.Struct, kw_only=True):
    """One event for one endpoint. `replay` is the one that made it, or opened it again.

    `endpoint` and `subscriber` stay when they are deleted; `type` is null when the event is gone or unreadable.
    """

    id: str
    event: str
    webhook_id: str
    type: str | None
    endpoint: str | None
    subscriber: str | None
    status: Status
    reason: Reason | None
    next_attempt_at: Time | None
    accepted_at: Time
    updated_at: Time
    last_response_status: int | None
    last_error: Error | None
    replay: str | None


class Delivery(DeliveryFields, kw_only=True):
    """One event for one endpoint; `attempts` says how many there were."""

    attempts: int


class AttemptRequest(msgspec.Struct):
    """What was sent. Names of headers are in lower case, credentials are `***`."""

    url: str
    headers: dict[str, str] | None
    body_sha256: Annotated[str, Meta(description="Hexadecimal.")] | None


class AttemptResponse(msgspec.Struct):
    """What came back; `body` is the beginning that is kept, repeated headers are joined by a comma."""

    status: int
    headers: dict[str, str]
    body: str
    body_truncated: bool
    body_encoding: Literal["utf-8", "base64"]


class Attempt(msgspec.Struct, kw_only=True):
    """One HTTP request. `request` is null if none was made ready, `response` if no whole head came back.

    `error_detail` is for people: what exactly failed.
    """

    number: int
    trigger: Trigger
    started_at: Time
    duration_ms: int
    error: Error | None
    error_detail: str | None
    remote_address: str | None
    request: AttemptRequest | None
    response: AttemptResponse | None


class DeliveryDetail(DeliveryFields, kw_only=True):
    """One event for one endpoint, with every attempt, oldest first."""

    attempts: list[Attempt]


def name(member: model.Reason | model.AttemptError) -> str | None:
    """The API's name of a member; None for NONE."""
    return member.name.lower() if member else None


def fields_of(
    key: ids.DeliveryKey,
    record: model.Record,
    event: Event | None,
    owner: EndpointName | None,
    replay: str | None,
) -> dict[str, Any]:
    """The fields of `DeliveryFields`; `event` None when it is gone."""
    event_id = event.id if event else key.address.event_id
    return {
        "id": key.delivery_id,
        "event": event_id,
        "webhook_id": f"{event_id}:r{key.run}" if key.run else event_id,
        "type": event.type if event else None,
        "endpoint": owner.endpoint if owner else None,
        "subscriber": owner.subscriber if owner else None,
        "status": record.state.name.lower(),
        "reason": name(record.reason),
        "next_attempt_at": rfc3339.format_ms(record.due_ms) if record.due_ms else None,
        "accepted_at": rfc3339.format_ms(key.ms),
        "updated_at": rfc3339.format_ms(record.changed_ms or key.ms),
        "last_response_status": record.status or None,
        "last_error": name(record.error),
        "replay": replay,
    }


def attempt_view(
    key: ids.DeliveryKey, number: int, stored: model.Attempt, event: Event | None, *, header_values: bool
) -> Attempt:
    """One attempt; `event` with its data, None when it is gone; `header_values` as for endpoints."""
    error = model.AttemptError(stored.error)
    return Attempt(
        number=number,
        trigger=model.Trigger(stored.trigger).name.lower(),
        started_at=rfc3339.format_ms(stored.started_ms),
        duration_ms=stored.duration_ms,
        error=name(error),
        error_detail=stored.detail or None,
        remote_address=stored.remote_address or None,
        request=_request(key, number, stored, event, header_values) if stored.signature else None,
        response=_response(stored) if stored.status else None,
    )


def _request(
    key: ids.DeliveryKey, number: int, stored: model.Attempt, event: Event | None, header_values: bool
) -> AttemptRequest:
    if event is None:
        return AttemptRequest(stored.url, None, None)
    sent = wire.unpack_sent(stored.signature)
    body = wire.body(event, sent.format)
    shown = stored.headers if header_values else dict.fromkeys(stored.headers, HIDDEN)
    own = {header.lower(): value for header, value in shown.items()}
    made = wire.headers(event, key, number, stored.started_ms, stored.trigger, sent, own)
    headers = {"host": _host(stored.url), **dict(made), "content-length": str(len(body))}
    return AttemptRequest(stored.url, headers, hashlib.sha256(body).hexdigest())


def _host(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc.removesuffix(_DEFAULT_PORTS.get(parts.scheme, ""))


def _response(stored: model.Attempt) -> AttemptResponse:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(stored.body, final=not stored.body_truncated)
    except UnicodeDecodeError:
        encoded = base64.b64encode(stored.body).decode()
        return AttemptResponse(stored.status, response_headers(stored), encoded, stored.body_truncated, "base64")
    return AttemptResponse(stored.status, response_headers(stored), text, stored.body_truncated, "utf-8")


def response_headers(stored: model.Attempt) -> dict[str, str]:
    """The kept block of `name: value` lines by name in lower case; a repeated name joins its values by a comma."""
    headers: dict[str, str] = {}
    for raw in stored.response_headers.decode("latin-1").split("\r\n"):
        header, colon, value = raw.partition(":")
        if colon:
            header, value = header.strip().lower(), value.strip()
            headers[header] = f"{headers[header]}, {value}" if header in headers else value
    return headers
