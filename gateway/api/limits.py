"""The edge: rules for every request before anything else looks at it, and one place where every answer leaves.

| rule | answer |
|---|---|
| path and query over 8 KB | 414 |
| over 100 headers, or over 16 KB of them | 431 |
| no Host, two, or a strange one; a transfer coding other than `chunked`; a header twice that must be single | 400 |
| `//`, `/./`, `/../`, a trailing slash, an escape of what no id has (`%2e %2f %00 ...`) | 404, never a redirect |
| TRACE and CONNECT | 405 |
| Content-Encoding | 415, nothing is decompressed |

A head that breaks none of these can be prepared once for all requests that have it (`prepare`, see `http1.direct`).

Every answer carries `x-request-id`: the caller's, if it is a plain token, else a new one. A Problem raised anywhere
below becomes its RFC 9457 answer, an error of the store a 503, any other error a 500 that says nothing of its cause.

What the HTTP server below refuses by itself never comes here (`server` lists it).
"""

import itertools
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping, MutableMapping
from typing import Any

from gateway import problems
from gateway.api.body import Receive
from gateway.api.http1.direct import App, Reply
from gateway.problems import Problem, Send
from gateway.store import connection

URL_BYTES = 8_192
HEADER_BYTES = 16_384
HEADER_COUNT = 100
_HEADER_OVERHEAD = 4  # colon, space, CR, LF
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_HOST = re.compile(rb"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
_PLAIN_PATH = re.compile(rb"(?:/[A-Za-z0-9_:.~-]+)+|/")
_ESCAPE = re.compile(rb"%(?:3[0-9Aa]|4[1-9A-Fa-f]|5[0-9AaFf]|6[1-9A-Fa-f]|7[0-9Aa]|2[Dd])")
_ACCEPTED = b"content-type: application/json\r\ncontent-length: %d\r\nx-request-id: %b\r\n"
_SINGLE = (b"host", b"content-length", b"transfer-encoding", b"content-type", b"idempotency-key")
_METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"

ASGIApp = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]
Begin = Callable[[bytes, Reply], bool]
"""What a hot route does with one body, on the direct way; False: the ordinary way."""
log = logging.getLogger("hookline.gateway")


class Head:
    """What the edge found: `headers` by lower-case name. Lies in `scope["head"]`.

    A header that came twice has its last value, but `authorization` then has b"" and `traceparent` is left out.
    """

    __slots__ = ("headers", "request_id")

    def __init__(self, request_id: str, headers: Mapping[bytes, bytes]) -> None:
        self.request_id = request_id
        self.headers = headers


class _Outgoing:
    """The way out of one request: adds `x-request-id`, remembers whether an answer has begun."""

    __slots__ = ("_request_id", "_send", "started")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.started = False

    async def __call__(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._request_id.encode())]
        await self._send(message)


class Edge:
    """The outermost ASGI callable. `clean_paths` are raw paths known to be free of what the path rules forbid."""

    def __init__(self, app: ASGIApp, clean_paths: frozenset[bytes] = frozenset()) -> None:
        self._app = app
        self._clean_paths = clean_paths
        self._prefix = secrets.token_hex(6)
        self._numbers = itertools.count(1)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        await self.serve(self._app, scope, receive, send)

    async def serve(self, app: ASGIApp, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request for an application of its own."""
        pairs = scope["headers"]
        headers = dict(pairs)
        request_id = _given_id(headers) or self.new_id()
        scope["head"] = Head(request_id, headers)
        outgoing = _Outgoing(send, request_id)
        try:
            self._check(scope, pairs, headers)
            await app(scope, receive, outgoing)
        except Exception as error:  # noqa: BLE001 - the last place that can answer
            problem = _problem_of(error, request_id)
            if not outgoing.started:
                await problems.send(problem, request_id, outgoing)

    def new_id(self) -> str:
        """A request id."""
        return f"req_{self._prefix}{next(self._numbers):08x}"

    def prepare(
        self, scope: MutableMapping[str, Any], route: Callable[[bytes, Mapping[bytes, bytes]], Begin | None]
    ) -> "Ready | None":
        """What is left to do for requests with this head, if it breaks no rule and `route(query, headers)` knows it."""
        pairs = scope["headers"]
        headers = dict(pairs)
        try:
            self._check(scope, pairs, headers)
        except Problem:
            return None
        begin = route(scope["query_string"], headers)
        return None if begin is None else Ready(self, begin, _given_id(headers))

    def _check(
        self, scope: MutableMapping[str, Any], pairs: list[tuple[bytes, bytes]], headers: dict[bytes, bytes]
    ) -> None:
        raw_path = scope["raw_path"]
        if len(raw_path) + len(scope["query_string"]) >= URL_BYTES:
            raise Problem("uri_too_long", f"path and query have more than {URL_BYTES} bytes")
        size = sum([len(name) + len(value) for name, value in pairs]) + _HEADER_OVERHEAD * len(pairs)
        if size > HEADER_BYTES or len(pairs) > HEADER_COUNT:
            raise Problem("headers_too_large", f"{len(pairs)} headers of {size} bytes")
        if len(headers) != len(pairs):
            _check_repeated(pairs, headers)
        if scope["method"] in {"TRACE", "CONNECT"}:
            raise Problem("method_not_allowed", f"{scope['method']} is never allowed", headers={"allow": _METHODS})
        _check_framing(scope, headers)
        if raw_path not in self._clean_paths:
            _check_path(raw_path)


class Ready:
    """A prepared head; see `http1.direct.Prepared`."""

    __slots__ = ("_edge", "_request_id", "begin")

    def __init__(self, edge: Edge, begin: Begin, request_id: str | None) -> None:
        self._edge, self._request_id = edge, request_id
        self.begin = begin

    def headers(self, length: int) -> bytes:
        """The header lines of an answer with so many bytes of JSON."""
        return _ACCEPTED % (length, (self._request_id or self._edge.new_id()).encode())

    def failing(self, error: BaseException) -> App:
        """An application that raises this behind the edge."""

        async def fail(_scope: MutableMapping[str, Any], _receive: Receive, _send: Send) -> None:
            raise error

        def app(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
            return self._edge.serve(fail, scope, receive, send)

        return app


def _given_id(headers: Mapping[bytes, bytes]) -> str | None:
    given = headers.get(b"x-request-id")
    return given.decode() if given is not None and _REQUEST_ID.fullmatch(given) else None


def _check_repeated(pairs: list[tuple[bytes, bytes]], headers: dict[bytes, bytes]) -> None:
    names = [name for name, _ in pairs]
    for name in _SINGLE:
        if names.count(name) > 1:
            raise Problem("malformed_request", f"the header {name.decode()} came more than once")
    if names.count(b"authorization") > 1:
        headers[b"authorization"] = b""
    if names.count(b"traceparent") > 1:
        del headers[b"traceparent"]


def _check_framing(scope: Mapping[str, Any], headers: Mapping[bytes, bytes]) -> None:
    host = headers.get(b"host")
    if host is None:
        if scope["http_version"] != "1.0":
            raise Problem("malformed_request", "the header Host is missing")
    elif not _HOST.fullmatch(host):
        raise Problem("malformed_request", "the header Host is not a host with an optional port")
    coding = headers.get(b"transfer-encoding")
    if coding is not None and coding.strip().lower() != b"chunked":
        raise Problem("malformed_request", "the only transfer coding understood is chunked")
    if b"content-encoding" in headers:
        named = headers[b"content-encoding"][:40].decode("latin-1")
        raise Problem(
            "unsupported_media_type",
            f"Content-Encoding is {named!r}; send the body as it is, with curl: -H 'Content-Type: application/json'",
        )


def _check_path(raw: bytes) -> None:
    plain = _ESCAPE.sub(b"x", raw) if b"%" in raw else raw
    if not _PLAIN_PATH.fullmatch(plain) or b"/./" in plain + b"/" or b"/../" in plain + b"/":
        raise Problem("not_found", "no such path")


def _problem_of(error: Exception, request_id: str) -> Problem:
    if isinstance(error, Problem):
        return error
    if connection.is_unavailable(error):
        log.warning("store.unavailable", extra={"request_id": request_id, "error": str(error)[:200]})
        return problems.store_unavailable(error)
    log.error("request.failed", exc_info=error, extra={"request_id": request_id})
    return Problem("internal_error", "the gateway failed to answer this request")
