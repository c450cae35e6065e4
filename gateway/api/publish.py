"""`POST /v1/events`: the hot route, a bare ASGI callable ahead of routing.

key -> scope -> media type -> body within its limit -> envelope -> room in the store -> group commit -> 202 after fsync.

The direct way (see `http1.direct`) takes the same steps without a task, and gives up at the first that is not plainly
right; then the call takes them again and says what is wrong.
"""

import asyncio
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway import rfc3339
from gateway.api import auth
from gateway.api.body import WHOLE, Receive, read_body
from gateway.api.call import STORE_SECONDS, require_media_type
from gateway.api.http1.direct import Reply
from gateway.api.limits import Begin
from gateway.api.openapi import Operation, Parameter
from gateway.ingest import envelope
from gateway.ingest.fullness import Fullness
from gateway.ingest.group_commit import GroupCommit, Result, Tell
from gateway.model.api_key import ApiKey
from gateway.model.event import Event, EventUnreadable, NewEvent
from gateway.problems import Problem, Send, field_error, store_unavailable
from gateway.store import connection, keys, log

_JSON = ("application/json",)
_PLAIN = b"application/json"
_encode = msgspec.json.Encoder().encode
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

    def begin(self, new: NewEvent, tell: Tell, index: int = 0) -> None:
        """Append the event; `tell` gets what became of it. Raises Problem: overloaded, store_full."""
        self._fullness.check()
        self._commit.begin(new, tell, index)

    async def store(self, new: NewEvent) -> Accepted:
        """Append the event. Raises Problem: overloaded, store_full, store_unavailable, idempotency_conflict."""
        self._fullness.check()
        try:
            result: Result = await self._commit.submit(new)
        except Exception as error:  # noqa: BLE001 - told apart there
            result = error
        return await self.outcome(new, result)

    async def outcome(self, new: NewEvent, result: Result) -> Accepted:
        """What became of an event. Raises Problem store_unavailable or idempotency_conflict, or another error."""
        if isinstance(result, BaseException):
            if connection.is_unavailable(result):
                raise store_unavailable(result) from result
            raise result
        accepted = accepted_of(new, result)
        if accepted is None:
            raise await self._conflict(new)
        return accepted

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


def accepted_of(new: NewEvent, appended: log.Appended) -> Accepted | None:
    """The answer for an event that was appended, now or before; None when its id belongs to another event."""
    if appended.outcome is log.Outcome.CONFLICT or appended.address is None:
        return None
    duplicate = appended.outcome is log.Outcome.DUPLICATE
    return Accepted(new.id or appended.address.event_id, duplicate, rfc3339.format_ms(appended.address.ms))


class Publish:
    """The ASGI callable of the route; `limit` is the largest event in bytes."""

    def __init__(self, authenticator: auth.Authenticator, publisher: Publisher, limit: int) -> None:
        self._authenticator, self.publisher, self._limit = authenticator, publisher, limit

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; raises Problem, which the edge answers."""
        headers = scope["head"].headers
        key = await identify(self._authenticator, scope)
        require_media_type(headers, _JSON)
        raw = await read_body(receive, headers, self._limit, whole=scope.get(WHOLE, False))
        given = envelope.check_idempotency_key(headers.get(b"idempotency-key"))
        new = self.publisher.read(raw, key, given, headers.get(b"traceparent", b""))
        await answer(send, 202, await self.publisher.store(new))

    def prepare(self, query: bytes, headers: Mapping[bytes, bytes]) -> Begin | None:
        """The direct way for requests with these headers."""
        authorization, given = headers.get(b"authorization"), headers.get(b"idempotency-key")
        if query or not authorization or headers.get(b"content-type") != _PLAIN:
            return None
        try:
            event_id = envelope.check_idempotency_key(given)
        except Problem:
            return None
        return _Direct(self, auth.digest(authorization), event_id, headers.get(b"traceparent", b"")).begin

    def read(self, body: bytes, key_digest: bytes, event_id: str | None, traceparent: bytes) -> NewEvent | None:
        """The event, if the key is remembered and everything is right."""
        key = self._authenticator.remembered(key_digest)
        if key is None or not key.allows("publish") or len(body) > self._limit:
            return None
        return self.publisher.read(body, key, event_id, traceparent)


class _Direct:
    """Requests of one head on the direct way."""

    __slots__ = ("_event_id", "_key_digest", "_route", "_traceparent")

    def __init__(self, route: Publish, key_digest: bytes, event_id: str | None, traceparent: bytes) -> None:
        self._route, self._key_digest, self._event_id, self._traceparent = route, key_digest, event_id, traceparent

    def begin(self, body: bytes, reply: Reply) -> bool:
        """See `http1.direct.Prepared`."""
        try:
            new = self._route.read(body, self._key_digest, self._event_id, self._traceparent)
            if new is None:
                return False
            self._route.publisher.begin(new, _telling(new, reply))
        except Problem:
            return False
        return True


def _telling(new: NewEvent, reply: Reply) -> Tell:
    def tell(_index: int, result: Result) -> None:
        if isinstance(result, BaseException):
            reply.fail(result)
        elif (accepted := accepted_of(new, result)) is not None:
            reply.send(_encode(accepted))
        else:
            reply.again()

    return tell


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


async def answer(send: Send, status: int, body: Any) -> None:
    """Send a JSON answer."""
    raw = _encode(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(raw)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})
