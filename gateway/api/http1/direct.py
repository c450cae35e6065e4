"""The direct way: a request that is whole and plainly right is begun without a task, and answered by a callback.

    whole request --prepare(scope), once per head--> Prepared.begin(body, reply)
        --False--> the ordinary way, from scratch
        --True--> later reply.send, reply.again or reply.fail

It changes no answer: whatever is not plainly right is left to the application, which looks at the request anew.

A client that keeps its connection open sends the same head again and again, but for the length of the body. `Head`
knows such a request by comparing bytes, so that what was parsed and checked once is not parsed and checked again: equal
bytes have equal meaning. Only the digits of one Content-Length may differ.
"""

import re
from collections.abc import Callable, Coroutine, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Coroutine[Any, Any, None]]
_LENGTH = re.compile(rb"\r\n(?i:content-length):[ \t]?([0-9]{1,7})\r\n")
_END = b"\r\n\r\n"


class Reply(Protocol):
    """What a route has to call once, at any later moment, after it has begun a request."""

    def send(self, body: bytes) -> None:
        """Answer 202 with this JSON."""
        ...

    def again(self) -> None:
        """Let the application answer it, from scratch."""
        ...

    def fail(self, error: BaseException) -> None:
        """Let the application answer as if this had been raised."""
        ...


class Prepared(Protocol):
    """What is left to do for the requests with one head."""

    def begin(self, body: bytes, reply: Reply) -> bool:
        """Begin a request; False: nothing has happened, and it goes the ordinary way."""
        ...

    def headers(self, length: int) -> bytes:
        """The header lines of a 202 with JSON of `length` bytes, as they go out."""
        ...

    def failing(self, error: BaseException) -> App:
        """An application that raises this behind the edge."""
        ...


Prepare = Callable[[Scope], Prepared | None]


def never(_scope: Scope) -> None:
    """Prepares nothing: every request goes the ordinary way."""


class Peer(Protocol):
    """What a direct request needs of its connection."""

    def accept(self, headers: bytes, body: bytes) -> None:
        """Answer 202 with these header lines and this body."""
        ...

    def go_ordinary(self, direct: "Direct", app: App | None) -> None:
        """Start an application, by default the one of all requests, in its place."""
        ...


class Direct:
    """A request on the direct way; in its connection's queue it stands where an Exchange would."""

    __slots__ = ("_peer", "_told", "body", "head")

    def __init__(self, peer: Peer, head: "Head", body: bytes) -> None:
        self._peer = peer
        self._told = False
        self.head = head
        self.body = body

    def begin(self) -> bool:
        """Whether it has begun."""
        return self.head.prepared.begin(self.body, self)

    def send(self, body: bytes) -> None:
        """See Reply."""
        if not self._told:
            self._told = True
            self._peer.accept(self.head.prepared.headers(len(body)), body)

    def again(self) -> None:
        """See Reply."""
        if not self._told:
            self._told = True
            self._peer.go_ordinary(self, None)

    def fail(self, error: BaseException) -> None:
        """See Reply."""
        if not self._told:
            self._told = True
            self._peer.go_ordinary(self, self.head.prepared.failing(error))


class Head:
    """A head that was parsed and prepared; `before` and `after` are its bytes around the digits of its length.

    Without them it is not known again.
    """

    __slots__ = ("_scope", "after", "before", "prepared")

    def __init__(self, scope: Scope, prepared: Prepared, request: bytes = b"") -> None:
        """`request`: the bytes of a whole request with this head, and no others."""
        self._scope, self.prepared = dict(scope), prepared
        self.before = self.after = b""
        end = request.find(_END) + len(_END)
        found = list(_LENGTH.finditer(request, 0, end))
        if len(found) == 1 and int(found[0][1]) == len(request) - end:
            self.before, self.after = request[: found[0].start(1)], request[found[0].end(1) : end]

    def body_of(self, request: bytes) -> bytes | None:
        """The body if these bytes are the same head with exactly its body behind."""
        if not self.before or not request.startswith(self.before):
            return None
        start = len(self.before)
        end = request.find(b"\r", start, start + 8)
        digits = request[start:end]
        if end < 0 or not digits.isdigit() or not request.startswith(self.after, end):
            return None
        body = request[end + len(self.after) :]
        return body if len(body) == int(digits) else None

    def scope_of(self, body: bytes) -> Scope:
        """The ASGI scope of a request like it."""
        length = b"%d" % len(body)
        pairs = [(name, length if name == b"content-length" else value) for name, value in self._scope["headers"]]
        return {**self._scope, "headers": pairs}
