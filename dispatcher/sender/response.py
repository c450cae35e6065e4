"""Accumulates one response after another from the bytes of a connection, within caps.

llhttp (through httptools) does the parsing and refuses what is ambiguous: two lengths, length and chunked
together, bare line feeds, folded headers. Nothing is decoded: a compressed body is kept as it came.
"""

import httptools

from dispatcher.sender.limits import Limits
from dispatcher.sender.result import Answered, AttemptError


class _ExcessError(Exception):
    """Bytes follow a complete response."""


class Response:
    """Feed it bytes; then `complete` or `failure` tells the end. `reset` before the next response.

    `complete` with `keep_alive` false: the answer stands, the connection must not be used again.
    """

    __slots__ = (
        "_body",
        "_body_bytes",
        "_failure_room",
        "_head_bytes",
        "_most_body_bytes",
        "_most_bytes",
        "_parser",
        "_received",
        "_room",
        "_success_room",
        "_truncated",
        "complete",
        "failure",
        "headers",
        "keep_alive",
        "status",
    )

    def __init__(self, limits: Limits) -> None:
        self._head_bytes = limits.head_bytes
        self._success_room = limits.success_body_bytes
        self._failure_room = limits.failure_body_bytes
        self._most_body_bytes = max(self._success_room, self._failure_room) + limits.drain_bytes
        # Chunk framing counts too: a body of extensions and no data must also end.
        self._most_bytes = self._head_bytes + self._most_body_bytes
        self._parser = httptools.HttpResponseParser(self)
        self.failure: tuple[AttemptError, str] | None = None
        self.keep_alive = False
        self._room = 0
        self.reset()

    def reset(self) -> None:
        """Expect the next response."""
        self.status = 0
        self.complete = False
        self.headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._truncated = False
        self._received = 0

    @property
    def begun(self) -> bool:
        """Whether any byte has come."""
        return self._received > 0

    def feed(self, data: bytes) -> None:
        """Take bytes of the connection."""
        before = self._received
        received = self._received = before + len(data)
        if received > self._head_bytes and not self.status:
            self._feed_long_head(data, self._head_bytes - before)
        else:
            self._parse(data)
        if not self.complete and (self._body_bytes > self._most_body_bytes or received > self._most_bytes):
            self._cut()

    def end(self) -> bool:
        """The peer has closed: whether that completes the response (RFC 9112 6.3, last rule)."""
        if self.status and not self._framed():
            self.complete = True
            self.keep_alive = False
        return self.complete

    def answered(self, remote_address: str, duration_ms: float) -> Answered:
        """The complete response as a result."""
        return Answered(self.status, self.headers, b"".join(self._body), self._truncated, remote_address, duration_ms)

    def announced_idle_seconds(self) -> float | None:
        """`timeout` of a Keep-Alive header (RFC 2068 19.7.1), None if there is none."""
        for name, value in self.headers:
            if name.lower() == b"keep-alive":
                for parameter in value.lower().split(b","):
                    key, _, number = parameter.strip().partition(b"=")
                    if key == b"timeout" and number.isdigit():
                        return float(number[:9])
        return None

    def _parse(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("the receiver switched protocols")
        except httptools.HttpParserError as error:
            self._refuse(str(error))

    def _refuse(self, detail: str) -> None:
        if self.complete:
            self.keep_alive = False
        elif self.failure is None:
            self.failure = ("protocol", f"not an HTTP/1.1 response: {detail}")

    def _feed_long_head(self, data: bytes, room: int) -> None:
        self._parse(data[:room])
        if self.failure is None and not self.complete and not self.status:
            self.failure = ("head_too_large", f"the response head exceeds {self._head_bytes} bytes")
        elif self.failure is None:
            self._parse(data[room:])

    def _cut(self) -> None:
        if self.status and self.failure is None:
            self.complete = True
            self.keep_alive = False
            self._truncated = True

    def _framed(self) -> bool:
        """Whether the body's end is marked by a length or chunks."""
        codings = [value for name, value in self.headers if name.lower() == b"transfer-encoding"]
        if codings:
            return codings[-1].lower().rstrip().endswith(b"chunked")
        return any(name.lower() == b"content-length" for name, _ in self.headers)

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        if self.complete:
            raise _ExcessError

    def on_header(self, name: bytes, value: bytes) -> None:
        # With a status there are only trailers, which nobody asked for (RFC 9110 6.5.1).
        if not self.status:
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self.status = status
            self.keep_alive = self._parser.should_keep_alive()
            self._room = self._success_room if status < 300 else self._failure_room
        elif status < 100 or status == 101:
            self.failure = ("protocol", f"status {status}, which answers nothing that was asked")
        else:
            self.headers = []

    def on_body(self, data: bytes) -> None:
        self._body_bytes += len(data)
        room = self._room
        if len(data) <= room:
            self._body.append(data)
            self._room = room - len(data)
        else:
            self._truncated = True
            if room:
                self._body.append(data[:room])
                self._room = 0

    def on_message_complete(self) -> None:
        if self.status:
            self.complete = True
