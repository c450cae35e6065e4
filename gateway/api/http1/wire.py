"""Between the wire and ASGI, as pure functions: a request's scope, an answer's bytes."""

from collections.abc import Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import httptools

from gateway import problems

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_ASGI = {"version": "3.0", "spec_version": "2.4"}
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_ACCEPTED = _STATUS_LINES[202]
_CLOSE = b"connection: close\r\n\r\n"
_BODILESS = frozenset({204, 304})
RawHeaders = Iterable[tuple[bytes, bytes]]


class Target(NamedTuple):
    """A request target: `path` as it came, without the query."""

    path: bytes
    query: bytes


def target_of(url: bytes) -> Target | None:
    """The target of a request line in origin or absolute form; for another form its text is the path.

    None for an absolute form that cannot be read. Source: RFC 9112, 3.2.
    """
    if url.startswith(b"/") or not url.lower().startswith((b"http://", b"https://")):
        path, _, query = url.partition(b"?")
        return Target(path, query)
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return None
    return Target(parsed.path or b"/", parsed.query or b"")


def scope_of(
    method: str, target: Target, version: str, headers: list[tuple[bytes, bytes]], client: tuple[str, int] | None
) -> MutableMapping[str, Any]:
    """The ASGI scope of a request; header names are in lower case already."""
    raw_path, query = target
    path = unquote_to_bytes(raw_path).decode("utf-8", "replace") if b"%" in raw_path else raw_path.decode("latin-1")
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": version,
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": raw_path,
        "root_path": "",
        "query_string": query,
        "headers": headers,
        "client": client,
        "server": None,
    }


class Framed(NamedTuple):
    """An answer as it goes out; `closes`: it said that the connection ends after it."""

    head: bytes
    closes: bool


def frame(status: int, headers: RawHeaders, length: int, date: bytes, *, closes: bool) -> Framed:
    """Status line and headers of an answer with a body of `length` bytes. The application may ask to close, too."""
    parts = [_STATUS_LINES[status], date]
    has_length = status in _BODILESS
    for name, value in headers:
        if name == b"connection":
            closes = closes or value == b"close"
            continue
        has_length = has_length or name == b"content-length"
        parts += (name, b": ", value, b"\r\n")
    if not has_length:
        parts.append(b"content-length: %d\r\n" % length)
    parts.append(_CLOSE if closes else b"\r\n")
    return Framed(b"".join(parts), closes)


def accepted(date: bytes, headers: bytes, body: bytes, *, closes: bool) -> bytes:
    """A whole 202; `headers` are its other lines."""
    return b"".join((_ACCEPTED, date, headers, _CLOSE if closes else b"\r\n", body))


def refusal(problem: problems.Problem, request_id: str, date: bytes) -> bytes:
    """The whole answer to what cannot be read; it closes the connection."""
    status, headers, body = problems.render(problem, request_id)
    headers.append((b"x-request-id", request_id.encode()))
    return frame(status, headers, len(body), date, closes=True).head + body
