"""`POST /v1/events/batch`: up to 1,000 events in one request, each with an outcome of its own.

A batch that cannot be read as an array of items is refused whole. Otherwise each item is accepted, refused, or 503 when
its outcome is not known; the same batch sent again then completes it, since every item has an id.
"""

import asyncio
from collections.abc import Mapping, MutableMapping
from typing import Any

import msgspec

from gateway.api import auth
from gateway.api.body import WHOLE, Receive, read_body
from gateway.api.call import require_media_type
from gateway.api.limits import Begin
from gateway.api.openapi import Operation
from gateway.api.publish import IDEMPOTENCY_KEY, Accepted, Publisher, accepted_of, answer, identify
from gateway.ingest import envelope
from gateway.ingest.group_commit import Result
from gateway.model.api_key import ApiKey
from gateway.model.event import NewEvent
from gateway.problems import Document, Problem, Send
from gateway.store import log

MAX_ITEMS = 1_000
MAX_BYTES = 8 * 1_048_576


class ItemResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One item's outcome: `status` as the single route would answer; `id` and `duplicate`, or `problem`."""

    index: int
    status: int
    id: str | msgspec.UnsetType = msgspec.UNSET
    duplicate: bool | msgspec.UnsetType = msgspec.UNSET
    accepted_at: str | msgspec.UnsetType = msgspec.UNSET
    problem: Document | msgspec.UnsetType = msgspec.UNSET


class BatchAnswer(msgspec.Struct, frozen=True):
    """What became of a batch, in the order of its items."""

    accepted: int
    refused: int
    results: list[ItemResult]


OPERATION = Operation(
    "publish_batch", "POST", "/v1/events/batch", "Publish up to 1,000 events", answers={200: BatchAnswer},
    scope="publish",
    description="Items have ids, or get `<Idempotency-Key>-<index>`. An item may be 503: then send "
    "the same batch again, what was accepted answers `duplicate: true`.",
    body=list[envelope.Envelope], parameters=(IDEMPOTENCY_KEY,),
    problems=(
        "malformed_json", "invalid_encoding", "invalid_parameter", "payload_too_large", "overloaded", "store_full",
    ),
)  # fmt: skip


class PublishBatch:
    """The ASGI callable of the route; `limit` is the largest single event in bytes."""

    def __init__(self, authenticator: auth.Authenticator, publisher: Publisher, limit: int) -> None:
        self._authenticator, self._publisher, self._limit = authenticator, publisher, limit

    def prepare(self, _query: bytes, _headers: Mapping[bytes, bytes]) -> Begin | None:
        """Never: a batch is worth a task."""
        return None

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request; raises Problem, which the edge answers."""
        head = scope["head"]
        key = await identify(self._authenticator, scope)
        require_media_type(head.headers, ("application/json",))
        raw = await read_body(receive, head.headers, MAX_BYTES, whole=scope.get(WHOLE, False))
        prefix = envelope.check_idempotency_key(head.headers.get(b"idempotency-key"))
        items = envelope.read_items(raw)
        if not 0 < len(items) <= MAX_ITEMS:
            raise Problem("malformed_json", f"a batch has 1 to {MAX_ITEMS} events, this one has {len(items)}")
        traceparent = head.headers.get(b"traceparent", b"")
        read = [self._read(item, key, prefix, at, traceparent) for at, item in enumerate(items)]
        outcomes = await _Outcomes(self._publisher, read).all()
        results = [
            _accepted(at, outcome) if isinstance(outcome, Accepted) else _refused(at, outcome, head.request_id)
            for at, outcome in enumerate(outcomes)
        ]
        accepted = sum([isinstance(outcome, Accepted) for outcome in outcomes])
        await answer(send, 200, BatchAnswer(accepted, len(results) - accepted, results))

    def _read(self, item: bytes, key: ApiKey, prefix: str | None, index: int, traceparent: bytes) -> NewEvent | Problem:
        try:
            if len(item) > self._limit:
                raise Problem("payload_too_large", f"the event has {len(item)} bytes of {self._limit}")
            new = self._publisher.read(item, key, None, traceparent)
            if not new.id and prefix is None:
                raise Problem("invalid_parameter", "an item needs an id, or the batch an Idempotency-Key")
            if not new.id:
                given = envelope.check_idempotency_key(f"{prefix}-{index}".encode())
                new = msgspec.structs.replace(new, id=given or "")
        except Problem as problem:
            return problem
        return new


_UNKNOWN = AssertionError("nobody has said what became of it")


class _Outcomes:
    """Stores the events of one batch; one callback a flush, one wake-up when the last outcome is there."""

    def __init__(self, publisher: Publisher, items: list[NewEvent | Problem]) -> None:
        self._publisher, self._items = publisher, items
        self._found: list[Result] = [_UNKNOWN] * len(items)
        self._left = 0
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def all(self) -> list[Accepted | Problem]:
        """What became of each item. Raises whatever is not the store's usual refusal."""
        for index, item in enumerate(self._items):
            if isinstance(item, NewEvent):
                self._begin(index, item)
        if self._left:
            await self._done
        plain = [self._plain(item, result) for item, result in zip(self._items, self._found, strict=True)]
        rest = [index for index, accepted in enumerate(plain) if accepted is None]
        told = await asyncio.gather(*(self._outcome(self._items[index], self._found[index]) for index in rest))
        others = dict(zip(rest, told, strict=True))
        return [accepted or others[index] for index, accepted in enumerate(plain)]

    @staticmethod
    def _plain(item: NewEvent | Problem, result: Result) -> Accepted | None:
        if isinstance(item, NewEvent) and isinstance(result, log.Appended):
            return accepted_of(item, result)
        return None

    def _begin(self, index: int, event: NewEvent) -> None:
        try:
            self._publisher.begin(event, self._tell, index)
        except Problem as problem:
            self._found[index] = problem
        else:
            self._left += 1

    def _tell(self, index: int, result: Result) -> None:
        self._found[index] = result
        self._left -= 1
        if not self._left and not self._done.done():
            self._done.set_result(None)

    async def _outcome(self, item: NewEvent | Problem, result: Result) -> Accepted | Problem:
        if isinstance(item, Problem):
            return item
        if isinstance(result, Problem):
            return result
        try:
            return await self._publisher.outcome(item, result)
        except Problem as problem:
            return problem


def _accepted(index: int, stored: Accepted) -> ItemResult:
    return ItemResult(index, 202, stored.id, stored.duplicate, stored.accepted_at)


def _refused(index: int, problem: Problem, request_id: str) -> ItemResult:
    return ItemResult(index, problem.status, problem=problem.document(request_id))
