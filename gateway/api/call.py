"""One call of a route behind the hot path: what a handler may know of the request, and what it answers.

A handler is `async def handler(call: Call) -> Answer`; it raises Problem for anything else. Before it runs, the edge
rules have passed, the key is known and has the operation's scope, and every query parameter is one that the operation
names, given once, in UTF-8 and not empty.
"""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway import problems, strict_json
from gateway.api.body import BODY_SECONDS, Receive, read_body
from gateway.api.services import Services
from gateway.model.api_key import ApiKey
from gateway.problems import Problem

BODY_BYTES = 262_144
STORE_SECONDS = 4.0
_JSON_TYPES = ("application/json",)


class Answer(NamedTuple):
    """`body` is anything msgspec encodes as JSON, or bytes as they are (with their own content-type); None: no body."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = {}


@dataclasses.dataclass(slots=True)
class Call:
    """`path` holds the path parameters, `query` the query, `headers` the request's by lower-case name.

    `opened` is None as long as the store has not answered since the start.
    """

    opened: Services | None
    key: ApiKey
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    receive: Receive
    patience: asyncio.Timeout
    """ends the call when the store hangs; rests while the body comes in"""

    @property
    def services(self) -> Services:
        """The services; a call of an operation with a scope always has them. Raises Problem `store_unavailable`."""
        if self.opened is None:
            raise Problem("store_unavailable", "the gateway has not reached the store yet")
        return self.opened

    async def body(self, media_types: tuple[str, ...] = _JSON_TYPES) -> bytes:
        """The raw body, at most 256 KB.

        Raises Problem: unsupported_media_type, payload_too_large, request_timeout, malformed_request.
        """
        require_media_type(self.headers, media_types)
        return await self._read()

    async def _read(self) -> bytes:
        self.patience.reschedule(None)
        try:
            return await read_body(self.receive, self.headers, BODY_BYTES, BODY_SECONDS)
        finally:
            self.patience.reschedule(asyncio.get_running_loop().time() + STORE_SECONDS)

    async def json_object(self, media_types: tuple[str, ...] = _JSON_TYPES) -> dict[str, Any]:
        """The body as a JSON object without NUL characters; raises Problem as `body` and `strict_json` do."""
        return strict_json.decode_object(await self.body(media_types), nul=False)

    async def optional_json_object(self) -> dict[str, Any]:
        """As `json_object`; {} when there is no body, whatever the content type."""
        raw = await self._read()
        if not raw:
            return {}
        require_media_type(self.headers, _JSON_TYPES)
        return strict_json.decode_object(raw, nul=False)

    async def empty_body(self) -> None:
        """Read the body of an action that takes none: nothing or `{}`. Raises Problem `malformed_json`."""
        raw = await self._read()
        if raw and strict_json.decode(raw) != {}:
            raise Problem("malformed_json", "this takes no body, or {}, at byte 0", offset=0)

    def sees(self, subscriber: str) -> bool:
        """Whether the key may know of this subscriber's objects."""
        return self.key.subscriber in {None, subscriber}

    def require_visible(self, subscriber: str, what: str, identifier: str) -> None:
        """Raise the 404 of a missing object when the key may not know of this subscriber's."""
        if not self.sees(subscriber):
            problems.not_found(what, identifier)


def require_media_type(headers: Mapping[bytes, bytes], allowed: tuple[str, ...]) -> None:
    """Raise `unsupported_media_type` unless Content-Type is one of these, with charset utf-8 or none.

    The detail names the header that a curl command needs. Source: RFC 9110, 8.3.
    """
    given = headers.get(b"content-type", b"").decode("latin-1")
    if given == allowed[0]:
        return
    essence, _, parameters = given.partition(";")
    if essence.strip().lower() in allowed and _is_utf8(parameters):
        return
    said = f"Content-Type is {given[:100]!r}" if given else "Content-Type is missing"
    raise Problem("unsupported_media_type", f"{said}; with curl: -H 'Content-Type: {allowed[0]}'")


def _is_utf8(parameters: str) -> bool:
    for parameter in filter(None, (part.strip() for part in parameters.split(";"))):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset" and value.strip().strip('"').lower() not in {"utf-8", "utf8"}:
            return False
    return True
