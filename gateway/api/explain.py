"""Explanations: `/v1/events/{id}/explain`, for every endpoint why it did or did not get the event, and what is next.

By endpoint number, page by page, also of endpoints that got the event and are gone. A key bound to a subscriber sees
its own endpoints only.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from gateway import filters, ids, problems, rfc3339
from gateway.api import delivery_types, explanation, history, pages
from gateway.api.call import Answer, Call
from gateway.api.endpoint_types import Time
from gateway.api.openapi import PAGE_PARAMETERS, Operation, Parameter, Route
from gateway.model import delivery as model
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store import breakers, delivery_list, endpoint_names, event_list
from gateway.store.breakers import Breaker
from gateway.store.registry_reads import EndpointName

_HONOURED_RETRY_AFTER = frozenset({429, 503})
_AFTER_ANY = b"\xff" * 15


class ExplainedDelivery(msgspec.Struct):
    """The delivery; `rule` says in words what set its state and its next attempt."""

    id: str
    status: delivery_types.Status
    reason: delivery_types.Reason | None
    next_attempt_at: Time | None
    attempts: int
    rule: str


class Explanation(msgspec.Struct):
    """Why an endpoint did or did not get the event.

    `as_of`: `delivery` is known of the moment when the event was matched; `now` is what the registry says now, which
    may have been otherwise then. `matched` is about live delivery: a replay may have made one all the same.
    """

    endpoint: str
    subscriber: str
    matched: bool
    reason: explanation.Why
    detail: str
    as_of: explanation.AsOf
    delivery: Annotated[ExplainedDelivery | None, Meta(description="null when there is none.")]


class _Known(NamedTuple):
    """What is known of the deliveries of one event: the endpoints of live ones, and of each endpoint one delivery."""

    address: ids.Address
    unread: bool
    live: frozenset[int]
    keys: Mapping[int, ids.DeliveryKey]

    def key(self, number: int) -> ids.DeliveryKey | None:
        """The delivery of an endpoint; of an unread event the one that it has or may get."""
        return self.keys.get(number) or (ids.DeliveryKey(*self.address, number) if self.unread else None)


class _Explained(NamedTuple):
    """One endpoint of a page; `endpoint` None when it is gone, `record` when it has no delivery."""

    name: EndpointName
    endpoint: Endpoint | None
    key: ids.DeliveryKey | None
    record: model.Record | None
    verdict: explanation.Verdict


async def explain(call: Call) -> Answer:
    """GET /v1/events/{id}/explain."""
    event_id = call.path["id"]
    request = pages.read(call.query, f"explain {event_id} {call.key.subscriber}", call.services.meta.cursor_key)
    event = await history.event(call, event_id)
    known = await _known(call, event)
    await call.services.mirror.refresh()
    names = await _names(call, known)
    page = request.take(((number,), number) for number in _numbers(call, request, names))
    # as it is now: the registry may change while the rest is read
    endpoints = {number: call.services.mirror.endpoint(number) for number in page.data}
    found = await _explained(call, event, known, endpoints, names)
    facts = await _Facts.read(call, [(one.key, one.record) for one in found if one.key and one.record])
    return Answer(pages.Page([_show(one, facts) for one in found], page.next))


async def _known(call: Call, event: Event) -> _Known:
    services, address = call.services, event.address
    unread = await history.is_unread(call, address)
    found = await delivery_list.of_event(services.redis, services.partitions[address.partition], address, ())
    live = frozenset(key.endpoint for key in found if not key.run)
    # the live one, or the newest replay's
    keys = {key.endpoint: key for key in sorted(found, key=lambda key: (key.run == 0, key.run))}
    return _Known(address, unread and not live, live, keys)


async def _names(call: Call, known: _Known) -> dict[int, EndpointName]:
    """The endpoints that have a delivery and are gone, as far as the caller may see them."""
    gone = [number for number in known.keys if call.services.mirror.endpoint(number) is None]
    names = await endpoint_names.known_to(call.services.redis).of_numbers(gone)
    return {number: name for number, name in names.items() if call.sees(name.subscriber)}


def _numbers(call: Call, request: pages.PageRequest, gone: Mapping[int, EndpointName]) -> Iterable[int]:
    """The endpoints to explain, in order from behind the cursor."""
    after = None if request.after is None else int(request.after[0])
    down = not request.ascending
    if "endpoint" in call.query:
        return _one(call, gone, after, down)
    mirror = call.services.mirror
    present = (one.number for one in mirror.by_number(after, descending=down, subscriber=call.key.subscriber))
    return heapq.merge(present, _beyond(gone, after, down), reverse=down)


def _one(call: Call, gone: Mapping[int, EndpointName], after: int | None, down: bool) -> Iterable[int]:
    name = call.query["endpoint"]
    endpoint = call.services.mirror.named(name)
    found = [number for number, owner in gone.items() if owner.endpoint == name]
    if endpoint is not None and call.sees(endpoint.subscriber):
        found.append(endpoint.number)
    return _beyond(found, after, down) if found else problems.not_found("endpoint", name)


def _beyond(numbers: Iterable[int], after: int | None, down: bool) -> Iterator[int]:
    for number in sorted(numbers, reverse=down):
        if after is None or (number < after if down else number > after):
            yield number


async def _explained(
    call: Call,
    event: Event,
    known: _Known,
    endpoints: Mapping[int, Endpoint | None],
    gone: Mapping[int, EndpointName],
) -> list[_Explained]:
    services, values = call.services, filters.EventValues(event)
    keys = {number: key for number in endpoints if (key := known.key(number)) is not None}
    read = await delivery_list.read_records(services.redis, services.partitions, list(keys.values()))
    records = dict(zip(keys, read, strict=True))
    found = []
    for number, endpoint in endpoints.items():
        record = records.get(number)
        if endpoint is None:
            found.append(_Explained(gone[number], None, keys.get(number), record, explanation.of_deleted()))
            continue
        if endpoint.filter:
            # a filter may take its milliseconds; others come in between
            await services.clock.sleep(0)
        got = number in known.live or (None if known.unread and record is None else known.unread)
        verdict = explanation.judge(endpoint, event, values, got)
        if known.unread and verdict.matched:
            record = record or history.WAITS
        name = EndpointName(endpoint.id, endpoint.subscriber)
        found.append(_Explained(name, endpoint, keys.get(number), record, verdict))
    return found


class _Facts(NamedTuple):
    """What explains the records of one page, beside the endpoints."""

    retries: int
    breakers: Mapping[int, Breaker]
    retry_after: Mapping[ids.DeliveryKey, str]
    before: Mapping[ids.DeliveryKey, str]

    @classmethod
    async def read(cls, call: Call, records: Sequence[tuple[ids.DeliveryKey, model.Record]]) -> "_Facts":
        broken = [key.endpoint for key, record in records if record.reason is model.Reason.BREAKER]
        return cls(
            len(call.services.settings.retry_schedule),
            await breakers.read(call.services.redis, broken),
            await _retry_after(call, [(key, one) for key, one in records if one.status in _HONOURED_RETRY_AFTER]),
            await _before(call, [(key, one) for key, one in records if one.reason is model.Reason.ORDER]),
        )

    def of(self, key: ids.DeliveryKey, endpoint: Endpoint | None) -> explanation.Facts:
        schedule = endpoint.retry_schedule if endpoint else None
        return explanation.Facts(
            retries=self.retries if schedule is None else len(schedule),
            retry_after=self.retry_after.get(key, ""),
            paused_ms=endpoint.paused_ms if endpoint else None,
            breaker=self.breakers.get(key.endpoint),
            before=self.before.get(key, ""),
        )


async def _retry_after(
    call: Call, records: Sequence[tuple[ids.DeliveryKey, model.Record]]
) -> dict[ids.DeliveryKey, str]:
    """What the last attempts were told with Retry-After."""
    pipeline = call.services.redis.pipeline(transaction=False)
    for key, record in records:
        attempts = call.services.partitions[key.partition].attempts(key.minute)
        pipeline.hget(attempts, model.attempt_field(key.packed(), record.attempts))
    answers: list[Any] = await pipeline.execute() if records else []
    stored = [(key, model.unpack_attempt(raw)) for (key, _), raw in zip(records, answers, strict=True) if raw]
    return {key: delivery_types.response_headers(one).get("retry-after", "")[:64] for key, one in stored}


async def _before(call: Call, records: Sequence[tuple[ids.DeliveryKey, model.Record]]) -> dict[ids.DeliveryKey, str]:
    """The event that is first in line of the same ordering key and endpoint."""
    services = call.services
    pipeline = services.redis.pipeline(transaction=False)
    for key, record in records:
        chain = key.endpoint.to_bytes(4, "big") + record.chain.to_bytes(4, "big")
        order = services.partitions[key.partition].order
        pipeline.zrangebylex(order, b"[" + chain, b"(" + chain + _AFTER_ANY, start=0, num=1)
    answers: list[Any] = await pipeline.execute() if records else []
    first = {
        key: ids.Address(int.from_bytes(row[0][8:14], "big"), int.from_bytes(row[0][14:18], "big"), key.partition)
        for (key, _), row in zip(records, answers, strict=True)
        if row
    }
    looked = await event_list.look_up(services.redis, services.partitions, first.values()) if first else {}
    headers = {key: looked[address].header for key, address in first.items() if address != key.address}
    return {key: header.event.id for key, header in headers.items() if header is not None}


def _show(one: _Explained, facts: _Facts) -> Explanation:
    delivery = None
    if one.key is not None and one.record is not None:
        said = explanation.rule(one.record, facts.of(one.key, one.endpoint))
        delivery = ExplainedDelivery(
            one.key.delivery_id,
            one.record.state.name.lower(),
            delivery_types.name(one.record.reason),
            rfc3339.format_ms(one.record.due_ms) if one.record.due_ms else None,
            one.record.attempts,
            f"by a replay: {said}" if one.key.run else said,
        )
    return Explanation(one.name.endpoint, one.name.subscriber, *one.verdict, delivery)


ROUTES = (
    Route(Operation(
        "explain_event", "GET", "/v1/events/{id}/explain", "Why each endpoint did or did not get an event",
        answers={200: pages.Page[Explanation]}, scope="read",
        description="By endpoint number, the newest endpoint first. Whom the event went to is known once it was read; "
        "why it did not go to others is told by the registry as it is now: see `as_of`.",
        parameters=(Parameter("endpoint", "Only this endpoint."), *PAGE_PARAMETERS),
        problems=("not_found", "invalid_cursor"),
    ), explain),
)  # fmt: skip
