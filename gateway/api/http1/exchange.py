"""One request and its answer, as ASGI sees them."""

import asyncio
from collections.abc import Iterable, MutableMapping
from typing import Any, Protocol

_DISCONNECT = {"type": "http.disconnect"}
WINDOW = 65_536
"""Bytes of body that wait for the application before the connection stops reading."""


class Peer(Protocol):
    """What an exchange needs of its connection."""

    def finish(self, exchange: "Exchange") -> None:
        """The answer is complete."""
        ...

    def invite(self) -> None:
        """The application wants a body that the client sends only when asked (100 Continue)."""
        ...

    def want_more(self) -> None:
        """The application has read what was there."""
        ...

    def abort(self) -> None:
        """There will be no answer."""
        ...


class Exchange:
    """`receive` and `send` of one ASGI call; `complete` when the request's last byte is in."""

    __slots__ = (
        "_answered", "_gone", "_parts", "_peer", "_read_all", "_size", "_waiter",
        "answer", "complete", "expects", "headers", "keep_alive", "scope", "status", "task",
    )  # fmt: skip

    def __init__(self, peer: Peer, scope: MutableMapping[str, Any], *, keep_alive: bool, expects: bool) -> None:
        self._peer = peer
        self.scope = scope
        self.keep_alive = keep_alive
        self.expects = expects
        self.complete = False
        self._answered = False
        self._gone = False
        self._read_all = False
        self._parts: list[bytes] = []
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None
        self.status = 0
        self.headers: Iterable[tuple[bytes, bytes]] = ()
        self.answer = b""
        self.task: asyncio.Task[None] | None = None
        """held here, since the loop holds its tasks only weakly"""

    @property
    def is_head(self) -> bool:
        """Whether only the headers of the answer go out."""
        return bool(self.scope["method"] == "HEAD")

    @property
    def is_backed_up(self) -> bool:
        """Whether more body waits than the application should have waiting."""
        return self._size > WINDOW

    def body(self, part: bytes) -> None:
        """Some of the body came."""
        self._parts.append(part)
        self._size += len(part)
        self._wake()

    def end(self) -> None:
        """All of the request came."""
        self.complete = True
        self._wake()

    def disconnect(self) -> None:
        """Nothing more will come, and nobody may be there to read the answer."""
        self._gone = True
        self._wake()

    @property
    def pending(self) -> bytes:
        """The body that came and was not read."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def receive(self) -> MutableMapping[str, Any]:
        """ASGI receive: what is there of the body, or that the client is gone."""
        if self.expects and not self.complete:
            self.expects = False
            self._peer.invite()
        while not self._parts and not self._gone and (self._read_all or not self.complete):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if not self._parts and (self._read_all or not self.complete):
            return _DISCONNECT
        parts, self._parts, self._size = self._parts, [], 0
        self._read_all = self.complete
        if not self.complete:
            self._peer.want_more()
        return {"type": "http.request", "body": b"".join(parts), "more_body": not self.complete}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """ASGI send; the answer leaves when its last part is here."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = message.get("headers", ())
            return
        body = message.get("body", b"")
        self.answer = self.answer + body if self.answer else body
        if not message.get("more_body", False) and not self._answered:
            self._answered = True
            self._peer.finish(self)

    def abandon(self) -> None:
        """The application has ended: without an answer the connection cannot go on."""
        if not self._answered:
            self._answered = True
            self._peer.abort()
