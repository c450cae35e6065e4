"""ASGI by hand: scopes, bodies in pieces, and what was sent."""

from collections.abc import Sequence
from typing import Any

Raw = Sequence[tuple[bytes, bytes]]


def http_scope(
    method: str = "GET",
    path: bytes = b"/",
    headers: Raw = ((b"host", b"gateway"),),
    query: bytes = b"",
    version: str = "1.1",
) -> dict[str, Any]:
    """A scope as a server makes it."""
    return {
        "type": "http",
        "http_version": version,
        "method": method,
        "path": path.decode("latin-1"),
        "raw_path": path,
        "query_string": query,
        "headers": list(headers),
        "root_path": "",
        "scheme": "http",
    }


class Client:
    """`receive` gives the parts of a body, then that it is gone; `send` collects the answer."""

    def __init__(self, *parts: bytes, complete: bool = True) -> None:
        self._parts = list(parts) or [b""]
        self._complete = complete
        self.read = 0
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""

    async def receive(self) -> dict[str, Any]:
        """The next part."""
        if not self._parts:
            return {"type": "http.disconnect"}
        self.read += 1
        part = self._parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(self._parts) or not self._complete}

    async def send(self, message: Any) -> None:
        """Collect."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message.get("body", b"")
