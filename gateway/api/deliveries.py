"""Deliveries: `/v1/deliveries` and `/v1/deliveries/{id}`, what became of each event at each endpoint."""

from typing import Any

import msgspec

from gateway import ids
from gateway.api import delivery_types as types
from gateway.api import filters, history, pages
from gateway.api.call import Answer, Call
from gateway.api.openapi import PAGE_PARAMETERS, Operation, Parameter, Route
from gateway.model import delivery as model
from gateway.store import delivery_list, endpoint_names, log, walk

_AT_ONCE = 256


async def list_all(call: Call) -> Answer:
    """GET /v1/deliveries."""
    key = call.services.meta.cursor_key
    request = pages.read(call.query, f"deliveries {call.key.subscriber}", key)
    wanted = await _wanted(call)
    span = filters.span(call.query, request)
    services = call.services
    entries = await _entries(call, wanted, span, request.limit)
    found = await delivery_list.page(services.redis, services.partitions, entries, wanted, request.limit)
    return Answer(request.page(await history.show(call, found.items), found.next))


async def _wanted(call: Call) -> delivery_list.DeliveryFilter:
    query = call.query
    checked = delivery_list.DeliveryFilter(
        type=filters.pattern(query),
        state=filters.member(query, "status", model.State),
        reason=filters.member(query, "reason", model.Reason),
        response_status=filters.response_status(query),
        error=filters.member(query, "error", model.AttemptError),
    )
    names = endpoint_names.known_to(call.services.redis)
    sets = [await history.own_endpoints(call)]
    if "endpoint" in query:
        sets.append(frozenset(await names.of_endpoint(query["endpoint"])))
    if "subscriber" in query:
        sets.append(frozenset(await names.of_subscriber(query["subscriber"])))
    given = [numbers for numbers in sets if numbers is not None]
    return msgspec.structs.replace(checked, endpoints=frozenset.intersection(*given) if given else None)


async def _entries(
    call: Call, wanted: delivery_list.DeliveryFilter, span: walk.Span, limit: int
) -> walk.Entries[ids.DeliveryKey]:
    services = call.services
    if "event" not in call.query:
        return await delivery_list.open_walk(services.redis, services.partitions, wanted, span, limit)
    address = await log.find(services.redis, services.partitions, call.query["event"])
    keys = await history.deliveries_of(call, address) if address else []
    return walk.Listed([walk.Entry(key, key) for key in keys], span)


async def get(call: Call) -> Answer:
    """GET /v1/deliveries/{id}."""
    found = await history.delivery(call, call.path["id"])
    replays = await history.replay_ids(call, [found.key.run or found.record.run])
    fields = types.fields_of(
        found.key, found.record, found.event, found.owner, replays.get(found.key.run or found.record.run)
    )
    return Answer(types.DeliveryDetail(**fields, attempts=await _attempts(call, found)))


async def _attempts(call: Call, found: history.Found) -> list[types.Attempt]:
    shown: list[types.Attempt] = []
    partition = call.services.partitions[found.key.partition]
    packed = found.key.packed()
    show_values = call.key.allows("manage")
    for first in range(1, found.record.attempts + 1, _AT_ONCE):
        numbers = range(first, min(first + _AT_ONCE, found.record.attempts + 1))
        fields = [model.attempt_field(packed, number) for number in numbers]
        stored: Any = await call.services.redis.hmget(partition.attempts(found.key.minute), fields)
        shown += [
            types.attempt_view(found.key, number, model.unpack_attempt(raw), found.event, header_values=show_values)
            for number, raw in zip(numbers, stored, strict=True)
            if raw is not None
        ]
    return shown


LIST = "/v1/deliveries"
DELIVERY = "/v1/deliveries/{id}"
ROUTES = (
    Route(Operation(
        "list_deliveries", "GET", LIST, "Deliveries", answers={200: pages.Page[types.Delivery]}, scope="read",
        description="By the acceptance of their events. One request looks at a bounded number of entries: a page may "
        "hold fewer items than `limit`, even none, with a `next` to go on from. With `order=asc` every page that has "
        "items has a `next`, and an empty one with `next: null` means that nothing is new; what is listed ends before "
        "the first event whose deliveries are not all recorded, so that a tail misses nothing.",
        parameters=(
            Parameter("event", "Only of the event with this id."),
            Parameter("endpoint", "Only to this endpoint, also a deleted one."),
            Parameter("subscriber", "Only to endpoints that this subscriber has or had."),
            filters.TYPE, filters.STATUS, filters.REASON, filters.RESPONSE_STATUS, filters.ERROR,
            filters.SINCE, filters.UNTIL, *PAGE_PARAMETERS,
        ),
        problems=("invalid_parameter", "invalid_cursor"),
    ), list_all),
    Route(Operation(
        "get_delivery", "GET", DELIVERY, "One delivery with every attempt", answers={200: types.DeliveryDetail},
        scope="read", problems=("not_found",),
        description="`request` of an attempt is made again from the event: what was sent. Values of the endpoint's own "
        "headers are `***` for a key without the scope `manage`, and credentials always.",
    ), get),
)  # fmt: skip
