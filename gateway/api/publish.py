"""`POST /v1/events`: the hot route, a bare ASGI callable ahead of routing.

key -> scope -> media type -> body within its limit -> envelope -> room in the store -> group commit -> 202 after fsync.
"""

import asyncio
from collections.abc import MutableMapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway import rfc3339
from gateway.api import auth
from gateway.api.body import WHOLE, Receive, read_body
from gateway.api.call import STORE_SECONDS, require_media_type
from gateway.api.openapi import Operation, Parameter
from gateway.ingest import envelope
from gateway.ingest.fullness import Fullness
from gateway.ingest.group_commit import GroupCommit
from gateway.model.api_key import ApiKey
from gateway.model.event import Event, EventUnreadable, NewEvent
from gateway.problems import Problem, Send, field_error, store_unavailable
from gateway.store import connection, keys, log

_JSON = ("application/json",)
_COMPARED = ("source", "type", "subject", "partitionkey", "subscriber", "time", "data")


class Accepted(msgspec.Struct, frozen=True):
    """The event is on disk. `duplicate`: it was before; `accepted_at` is when it was accepted first."""

    id: str
    duplicate: bool
    accepted_at: str


IDEMPOTENCY_KEY = Parameter(
    "Idempotency-Key", "The event's id, if the body has none: 1-100 of A-Z a-z 0-9 _ : -", where="header"
)
OPERATION = Operation(
    "publish_event", "POST", "/v1/events", "Publish an event", answers={202: Accepted}, scope="publish",
    description="Answers 202 once the event is on disk. The same id and the same event: the same answer again, with "
    "`duplicate: true`. An id that was used for another event: 409. After a 503 send the same event with the same id.",
    body=envelope.Envelope, parameters=(IDEMPOTENCY_KEY,),
    problems=(
        "malformed_json", "invalid_encoding", "invalid_request", "invalid_parameter", "id_conflict",
        "idempotency_conflict", "payload_too_large", "overloaded", "store_full",
    ),
)  # fmt: skip


class Publisher:
    """What single events and batches share: reading one event for a key, and storing it."""

    def __init__(
        self, redis: Redis, partitions: Sequence[keys.PartitionKeys], commit: GroupCommit, fullness: Fullness
    ) -> None:
        self._redis, self._partitions, self._commit, self._fullness = redis, partitions, commit, fullness

    def read(self, raw: bytes, key: ApiKey, idempotency_key: str | None, traceparent: bytes) -> NewEvent:
        """The event of a body as this key may publish it. Raises Problem."""
        new = envelope.read(raw, f"/keys/{key.name}", idempotency_key, traceparent)
        if key.subscriber is not None and new.subscriber != key.subscriber:
            raise Problem(
                "forbidden", f"this key publishes for subscriber {key.subscriber} alone; name it in `subscriber`"
            )
        return new

    async def store(self, new: NewEvent) -> Accepted:
        """Append the event. Raises Problem: overloaded, store_full, store_unavailable, idempotency_conflict."""
        self._fullness.check()
        try:
            appended = await self._commit.submit(new)
        except Exception as error:
            if connection.is_unavailable(error):
                raise store_unavailable(error) from error
            raise
        if appended.outcome is log.Outcome.CONFLICT:
            raise await self._conflict(new)
        assert appended.address is not None  # noqa: S101 - append.lua gives one for every other outcome
        duplicate = appended.outcome is log.Outcome.DUPLICATE
        accepted_at = rfc3339.format_ms(appended.address.ms)
        return Accepted(new.id or appended.address.event_id, duplicate, accepted_at)

    async def _conflict(self, new: NewEvent) -> Problem:
        """The 409 that names the fields in which the other event differs."""
        address = await log.find(self._redis, self._partitions, new.id)
        other: Event | None = None
        if address is not None:
            try:
                other = await log.read(self._redis, self._partitions[address.partition], address)
            except EventUnreadable:
                other = None
        differing = [name for name in _COMPARED if other is None or getattr(other, name) != getattr(new, name)]
        if other is None:
            return Problem("idempotency_conflict", f"id {new.id} is being used for another event")
        errors = [field_error(name, f"differs from the event that has id {new.id}") for name in differing]
        return Problem("idempotency_conflict", f"id {new.id} was used with other {', '.join(differing)}", errors=errors)


class Publish:
    """The ASGI callable of the route; `limit` is the largest event in bytes."""

    def __init__(self, authenticator: auth.Authenticator, publisher: Publisher, limit: int) -> None:
        self._authenticator, self._publisher, self._limit = authenticator, publisher, limit

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; raises Problem, which the edge answers."""
        headers = scope["head"].headers
        key = await identify(self._authenticator, scope)
        require_media_type(headers, _JSON)
        raw = await read_body(receive, headers, self._limit, whole=scope.get(WHOLE, False))
        given = envelope.check_idempotency_key(headers.get(b"idempotency-key"))
        new = self._publisher.read(raw, key, given, headers.get(b"traceparent", b""))
        await answer(send, 202, await self._publisher.store(new))


async def identify(authenticator: auth.Authenticator, scope: MutableMapping[str, Any]) -> ApiKey:
    """The key of a publishing request. Raises Problem: unauthorized, forbidden, invalid_parameter."""
    authorization = scope["head"].headers.get(b"authorization")
    key = authenticator.authenticate(authorization) if authorization else None
    if key is None:
        key = await _look_up(authenticator, authorization)
    auth.require_scope(key, "publish")
    if scope["query_string"]:
        raise Problem("invalid_parameter", "this route takes no query parameters")
    return key


async def _look_up(authenticator: auth.Authenticator, authorization: bytes | None) -> ApiKey:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            return await authenticator.identify(authorization)
    except TimeoutError:
        raise Problem("store_unavailable", f"the store has not answered within {STORE_SECONDS:g} s") from None


_encode = msgspec.json.Encoder().encode


async def answer(send: Send, status: int, body: Any) -> None:
    """Send a JSON answer."""
    raw = _encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
