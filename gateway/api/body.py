"""Reads a request's body within a size and a time, and never decompresses it.

Too large by Content-Length: refused before a byte is read. Too large by counting (chunked): refused at the first byte
over the limit. Too slow: refused. In all three the connection closes with the answer. At most the limit and one read
of the server (64 KB) are in memory.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from gateway.problems import Problem

BODY_SECONDS = 10.0
WHOLE = "hookline.whole"
"""In a scope: True if the whole body was there before the application was called, so that no clock need watch it."""
_LENGTH_DIGITS = 20
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


async def read_body(
    receive: Receive,
    headers: Mapping[bytes, bytes],
    limit: int,
    seconds: float = BODY_SECONDS,
    *,
    whole: bool = False,
) -> bytes:
    """The whole body, at most `limit` bytes, within `seconds`, which do not count if it is there as a `whole`.

    Raises Problem `payload_too_large`, `request_timeout`, or `malformed_request` when the body ends before it is
    complete: chunks that cannot be read, or a client that went away and will not see the answer.
    """
    announced = headers.get(b"content-length", b"")
    if announced.isdigit() and int(announced[:_LENGTH_DIGITS]) > limit:
        raise Problem("payload_too_large", f"the body has {announced[:_LENGTH_DIGITS].decode()} bytes of {limit}")
    if whole:
        return await _read(receive, limit)
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit)
    except TimeoutError:
        raise Problem("request_timeout", f"the body was not complete after {seconds:g} seconds") from None


async def _read(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem("malformed_request", f"the body ended after {size} bytes before it was complete")
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise Problem("payload_too_large", f"the body has more than {limit} bytes")
        if not message.get("more_body", False):
            return part if not parts else b"".join((*parts, part))
        if part:
            parts.append(part)
