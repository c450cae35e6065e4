"""What an endpoint may be, beyond what types can say: id, URL, patterns, filter, headers, secret, metadata.

Each rule gives the errors of one field, so that a caller sees all of them at once. URLs are judged by `gateway.egress`
alone, patterns and secrets by `receivers`, filters by `gateway.filters`.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from gateway import filters, ids
from gateway.egress import Egress, EgressError, EndpointUrl, NameNotResolved
from gateway.model.subscriber import Kind
from gateway.problems import FieldError, field_error
from receivers import patterns, secrets
from receivers.errors import PatternError, SecretError

METADATA_BYTES = 4_096
HEADERS = 20
HEADER_BYTES = 1_024
RESOLVE_SECONDS = 2.0
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: token
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
_DENIED = frozenset(
    {
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "traceparent",
        "tracestate",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_DENIED_PREFIXES = ("content-", "webhook-")


def own_id(value: str, field: str) -> Iterator[FieldError]:
    """Rules of an id that the caller chooses."""
    if not ids.is_own_id(value):
        reserved = " ".join(ids.RESERVED_PREFIXES)
        yield field_error(field, f"expected 1-100 of A-Z a-z 0-9 _ : -, not beginning with {reserved}", value)


def metadata(value: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    """At most 4 KB as JSON."""
    size = len(msgspec.json.encode(value))
    if size > METADATA_BYTES:
        yield field_error(field, f"has {size} bytes as JSON, allowed are {METADATA_BYTES}")


def line(value: str, field: str) -> Iterator[FieldError]:
    """A text of one line: no control characters."""
    if not value.isprintable():
        yield field_error(field, "contains control characters", value)


def event_types(value: Sequence[str], field: str) -> Iterator[FieldError]:
    """Patterns, each once."""
    seen: set[str] = set()
    for position, pattern in enumerate(value):
        at = f"{field}[{position}]"
        try:
            patterns.validate_pattern(pattern)
        except PatternError as error:
            yield field_error(at, str(error), pattern)
        if pattern in seen:
            yield field_error(at, "is in the list twice", pattern)
        seen.add(pattern)


def filter_text(value: str | None, field: str) -> Iterator[FieldError]:
    """An expression that can be evaluated; '' and None are none."""
    try:
        if value:
            filters.compile(value)
    except filters.FilterError as error:
        yield field_error(field, str(error), value)


def headers(value: Mapping[str, str], field: str) -> Iterator[FieldError]:
    """At most 20, none of those that the gateway sets, no value that could end a line. Values are never repeated."""
    if len(value) > HEADERS:
        yield field_error(field, f"has {len(value)} headers, allowed are {HEADERS}")
    seen: set[str] = set()
    for name, text in value.items():
        at = f"{field}.{name[:64]}"
        lower = name.lower()
        yield from header_name(name, at)
        if lower in seen:
            yield field_error(at, "differs from another header only by case")
        if not _HEADER_VALUE.fullmatch(text) or len(name) + len(text) > HEADER_BYTES:
            yield field_error(
                at, f"its value must be visible ASCII characters, with the name at most {HEADER_BYTES} bytes"
            )
        seen.add(lower)


def header_name(name: str, field: str) -> Iterator[FieldError]:
    """A name that may be sent and is not the gateway's."""
    if not _HEADER_NAME.fullmatch(name):
        yield field_error(field, "is not a header name (RFC 9110 token)")
    if name.lower() in _DENIED or name.lower().startswith(_DENIED_PREFIXES):
        yield field_error(field, "is set by the gateway or belongs to the connection")


def secret(value: str, field: str) -> Iterator[FieldError]:
    """A `whsec_` secret; never repeated in the error."""
    try:
        parsed = secrets.parse(value)
    except SecretError as error:
        yield field_error(field, str(error))
        return
    if not isinstance(parsed, secrets.SymmetricSecret):
        yield field_error(field, "only whsec_ secrets sign here")


async def url(egress: Egress, value: str, kind: Kind, field: str) -> list[FieldError]:
    """The rules against SSRF, for the text and for what the name resolves to now.

    A name that does not resolve, or not in 2 s, is accepted: it is asked again before every connect.
    """
    try:
        parsed: EndpointUrl = egress.check_url(value, kind)
        async with asyncio.timeout(RESOLVE_SECONDS):
            await egress.vet(parsed, kind)
    except (TimeoutError, NameNotResolved):
        return []
    except EgressError as error:
        return [field_error(field, error.reason, value)]
    return []
