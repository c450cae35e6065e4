"""The ASGI edge of a receiver: plain ASGI 3, no framework, so it can be mounted anywhere.

The raw body is read whole, up to a cap, and handed on untouched: nothing parses it before it is verified. Only the
scopes `http` and `lifespan` are served. A client that leaves in the middle of its body gets no answer and nothing is
verified.

Answers are JSON as in `receivers.result`; 405 with `allow` for anything but POST, 413 as soon as the declared or the
read size passes the cap.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from receivers.errors import ReceiverError
from receivers.headers import RawHeaders
from receivers.result import Result, refused

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Decides(Protocol):
    """The part of a Receiver that this edge uses."""

    maximum_body_bytes: int

    async def handle(self, body: bytes, raw_headers: RawHeaders) -> Result:
        """Decide one request."""
        ...

    def report(self, result: Result) -> Result:
        """Show a result to the observer."""
        ...


class _Disconnected(Exception):
    """The client left before its body was complete."""


async def serve(receiver: Decides, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one ASGI scope; raises ReceiverError `scope_unsupported` for any but http and lifespan."""
    if scope["type"] == "http":
        await _http(receiver, scope, receive, send)
    elif scope["type"] == "lifespan":
        await _lifespan(receive, send)
    else:
        raise ReceiverError("scope_unsupported", f"a webhook receiver does not serve {scope['type']} connections")


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _http(receiver: Decides, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["method"] != "POST":
        result = receiver.report(refused("method_not_allowed", "webhooks are sent by POST"))
        await _answer(send, result, [(b"allow", b"POST")])
        return
    try:
        body = await _read(scope, receive, receiver.maximum_body_bytes)
    except _Disconnected:
        return
    if body is None:
        detail = f"the body is larger than {receiver.maximum_body_bytes} bytes"
        await _answer(send, receiver.report(refused("body_too_large", detail)))
        return
    await _answer(send, await receiver.handle(body, scope["headers"]))


async def _read(scope: Scope, receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when it is over the limit."""
    if _declared_length(scope) > limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        # 18 digits are beyond any limit; longer ones are not worth converting
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0


async def _answer(send: Send, result: Result, more: list[tuple[bytes, bytes]] | None = None) -> None:
    body = result.body()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
