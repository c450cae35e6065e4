"""Every RFC 9457 problem that the API can answer: its code, status, title and the way out, in one table.

A problem is an exception, `Problem(code, detail)`, raised where the fact is known; the edge renders it. The answer is
`application/problem+json` with `type title status code detail way_out request_id`, and where they apply `errors` (one
entry per field, for 422), `offset` (the byte at which a body cannot be read) and the headers of the table.

Invariants: a code is stable and has one status; `type` is `/problems/<code>`, a page of this gateway; nothing is stored
when a 4xx is answered; no text of a problem repeats a secret or an Authorization header. Source: RFC 9457.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from typing import Any, NoReturn

import msgspec

MEDIA_TYPE = "application/problem+json"
UNPROCESSABLE = 422
_VALUE_CHARACTERS = 200


@dataclasses.dataclass(frozen=True, slots=True)
class Definition:
    """One row of the table. `retry_after` in seconds; `closes`: the connection cannot be used for another request."""

    status: int
    title: str
    way_out: str
    retry_after: int | None = None
    closes: bool = False


TABLE: Mapping[str, Definition] = {
    "malformed_request": Definition(400, "Malformed HTTP request", "Send one valid HTTP/1.1 request.", closes=True),
    "malformed_json": Definition(400, "Body is not the JSON expected", "Send one JSON value (RFC 8259) as described."),
    "invalid_encoding": Definition(400, "Body is not UTF-8", "Encode the body as UTF-8 without a byte order mark."),
    "invalid_parameter": Definition(400, "Invalid parameter", "Correct or remove the parameter that is named."),
    "invalid_cursor": Definition(400, "Invalid cursor", "Use `next` of the page before, unchanged, with its filters."),
    "id_conflict": Definition(400, "Two different ids", "Send the id in the body or as Idempotency-Key, not both."),
    "unauthorized": Definition(401, "API key missing or not valid", "Send `Authorization: Bearer <API key>`, once."),
    "forbidden": Definition(403, "API key lacks the scope", "Use a key with the scope that is named."),
    "not_found": Definition(404, "Not found", "Check the path and the id."),
    "method_not_allowed": Definition(405, "Method not allowed", "Use a method of the Allow header."),
    "request_timeout": Definition(408, "Body came too slowly", "Send the whole body within 10 seconds.", closes=True),
    "already_exists": Definition(409, "Id exists", "Choose another id, or PUT to replace the object."),
    "idempotency_conflict": Definition(409, "Id was used for another event", "Use a new id, or send the same event."),
    "kind_fixed": Definition(409, "Kind cannot change", "Create another subscriber with the other kind."),
    "changed_meanwhile": Definition(409, "Changed by others meanwhile", "Read the object again and repeat the change."),
    "delivery_in_flight": Definition(409, "An attempt is running", "Repeat when the running attempt has ended."),
    "endpoint_disabled": Definition(409, "Endpoint is disabled", "Enable it: POST /v1/endpoints/{id}/enable."),
    "endpoint_deleted": Definition(409, "Endpoint was deleted", "Send it to another endpoint: POST /v1/replays."),
    "catch_up_running": Definition(
        409,
        "Live events wait for another replay",
        "Wait until it has ended, or cancel it: POST /v1/replays/{id}/cancel.",
    ),
    "replay_finished": Definition(409, "Replay has ended", "Start another replay."),
    "too_many_secrets": Definition(
        409,
        "Too many secrets are live",
        "Rotate when one of them has ended, or with `overlap_seconds` 0, which ends all of them at once.",
    ),
    "event_expired": Definition(410, "Event is no longer kept", "Publish it again; retention has removed its data."),
    "payload_too_large": Definition(413, "Body too large", "Send at most the bytes that are named.", closes=True),
    "uri_too_long": Definition(414, "URL too long", "Keep path and query within 8 KB.", closes=True),
    "unsupported_media_type": Definition(
        415, "Unsupported media type", "Send `Content-Type: application/json` and no Content-Encoding."
    ),
    "invalid_request": Definition(UNPROCESSABLE, "Fields are invalid", "Correct every field listed in `errors`."),
    "headers_too_large": Definition(
        431, "Headers too large", "Send at most 100 headers and 16 KB of them.", closes=True
    ),
    "internal_error": Definition(
        500, "Internal error", "Repeat; if it stays, look for the request id in the gateway's log."
    ),
    "overloaded": Definition(503, "Too many requests wait", "Repeat after the time in Retry-After.", retry_after=1),
    "store_unavailable": Definition(
        503, "The store does not answer", "Repeat after the time in Retry-After, with the same id.", retry_after=2
    ),
    "store_full": Definition(
        503,
        "The store is full",
        "Repeat after the time in Retry-After; add memory or shorten retention.",
        retry_after=10,
    ),
}


class FieldError(msgspec.Struct, frozen=True, omit_defaults=True):
    """Why one field is refused. `field` is a path such as `endpoints[0].url`; `value` is what was sent, if shown."""

    field: str
    reason: str
    value: Any = msgspec.UNSET


class Document(msgspec.Struct, omit_defaults=True, rename={"kind": "type"}):
    """The body of every problem (RFC 9457 with the members `code way_out request_id errors offset`)."""

    kind: str
    title: str
    status: int
    code: str
    detail: str
    way_out: str
    request_id: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    offset: int | msgspec.UnsetType = msgspec.UNSET


class Problem(Exception):
    """A request that is refused; `code` is a key of TABLE, `detail` names the thing and the value."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        offset: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.definition = TABLE[code]
        self.code = code
        self.detail = detail or self.definition.title
        self.errors = tuple(errors)
        self.offset = offset
        self.headers = dict(headers or {})
        super().__init__(f"{code}: {self.detail}")

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.definition.status

    def document(self, request_id: str) -> Document:
        """The answer's body as a struct; also what a batch shows for one item."""
        row = self.definition
        return Document(
            f"/problems/{self.code}", row.title, row.status, self.code, self.detail, row.way_out, request_id,
            list(self.errors) or msgspec.UNSET, msgspec.UNSET if self.offset is None else self.offset,
        )  # fmt: skip

    def all_headers(self) -> dict[str, str]:
        """The headers of the answer beside its length and `x-request-id`."""
        headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store"}
        if self.status == 401:
            headers["www-authenticate"] = 'Bearer realm="hookline"'
        if self.definition.retry_after is not None:
            headers["retry-after"] = str(self.definition.retry_after)
        if self.definition.closes:
            headers["connection"] = "close"
        return {**headers, **self.headers}


_encoder = msgspec.json.Encoder()
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def render(problem: Problem, request_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """(status, raw headers, body) of the answer."""
    body = _encoder.encode(problem.document(request_id))
    headers = [(name.encode(), value.encode()) for name, value in problem.all_headers().items()]
    headers.append((b"content-length", str(len(body)).encode()))
    return problem.status, headers, body


async def send(problem: Problem, request_id: str, send_message: Send) -> None:
    """Answer an ASGI request with a problem."""
    status, headers, body = render(problem, request_id)
    await send_message({"type": "http.response.start", "status": status, "headers": headers})
    await send_message({"type": "http.response.body", "body": body})


def refuse_fields(errors: Iterable[FieldError]) -> None:
    """Raise `invalid_request` naming every field, if there is any."""
    found = list(errors)
    if found:
        listed = "; ".join(f"{error.field}: {error.reason}" for error in found)
        raise Problem("invalid_request", listed, errors=found)


def field_error(field: str, reason: str, value: Any = msgspec.UNSET) -> FieldError:
    """A FieldError that shows the value only as far as it is short."""
    if isinstance(value, str) and len(value) > _VALUE_CHARACTERS:
        value = value[:_VALUE_CHARACTERS] + "…"
    elif isinstance(value, dict | list | tuple):
        value = msgspec.UNSET
    return FieldError(field, reason, value)


def not_found(what: str, identifier: str) -> NoReturn:
    """Raise 404: the same words whether the object is missing or another subscriber's."""
    raise Problem("not_found", f"no {what} with id {identifier[:120]}")


def store_unavailable(error: BaseException) -> Problem:
    """The 503 for an error of the store: full if it says so, else not available."""
    if str(error).startswith("OOM"):
        return Problem("store_full", "the store has no memory left for this")
    return Problem("store_unavailable", f"the store does not take this now ({type(error).__name__})")
