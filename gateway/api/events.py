"""Events: `/v1/events` and `/v1/events/{id}`, what was published and whom it reached.

The log answers: which events there are, in which order, and while retention keeps them. A list shows payloads only when
asked to, and then at most `MAX_DATA_BYTES` of them a page.
"""

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from gateway import ids
from gateway.api import event_types as types
from gateway.api import filters, history, pages
from gateway.api.call import Answer, Call
from gateway.api.openapi import PAGE_PARAMETERS, Operation, Parameter, Route
from gateway.model import delivery as model
from gateway.model.event import Event
from gateway.store import delivery_list, event_list, log, walk

MAX_DATA_BYTES = 4 * 1_048_576
FIRST_DELIVERIES = 20
_NOT_FILTERS = frozenset({"include"})


async def list_all(call: Call) -> Answer:
    """GET /v1/events."""
    key = call.services.meta.cursor_key
    filtering = {name: value for name, value in call.query.items() if name not in _NOT_FILTERS}
    request = pages.read(filtering, f"events {call.key.subscriber}", key)
    with_data = filters.only(call.query, "include", "data")
    wanted = filters.events(call.query, call.query.get("subscriber", call.key.subscriber))
    span = filters.span(call.query, request)
    if wanted.subscriber is not None and not call.sees(wanted.subscriber):
        return Answer(request.page([], None))
    services = call.services
    entries = await event_list.open_walk(services.redis, services.partitions, wanted, span, request.limit)
    found = await event_list.page(entries, wanted, request.limit)
    if with_data:
        found = _within(found, MAX_DATA_BYTES)
    return Answer(request.page(await _show(call, found.items, with_data), found.next))


def _within(found: walk.Found[event_list.Header], limit: int) -> walk.Found[event_list.Header]:
    """As many items from the front as have `limit` bytes of payload together, but at least one."""
    size = 0
    for count, header in enumerate(found.items):
        size += header.data_bytes
        if count and size > limit:
            return walk.Found(found.items[:count], found.items[count - 1].event.address)
    return found


async def _show(call: Call, headers: Sequence[event_list.Header], with_data: bool) -> list[types.ListedEvent]:
    services = call.services
    addresses = [header.event.address for header in headers]
    looked = await event_list.look_up(services.redis, services.partitions, addresses)
    whole = await _with_data(call, addresses) if with_data else {}
    shown = []
    for header in headers:
        address = header.event.address
        one = types.ListedEvent(**types.fields_of(header.event, header.data_bytes, looked[address].matched))
        if with_data:
            event = whole.get(address)
            one.data = types.data_of(event) if event else types.NO_DATA
        shown.append(one)
    return shown


async def _with_data(call: Call, addresses: Sequence[ids.Address]) -> dict[ids.Address, Event]:
    services = call.services
    found: dict[ids.Address, Event] = {}
    for number in {address.partition for address in addresses}:
        some = [address for address in addresses if address.partition == number]
        events = await log.read_many(services.redis, services.partitions[number], some)
        found |= {event.address: event for event in events if event is not None}
    return found


async def get(call: Call) -> Answer:
    """GET /v1/events/{id}."""
    event = await history.event(call, call.path["id"])
    services = call.services
    looked = await event_list.look_up(services.redis, services.partitions, [event.address])
    fields = types.fields_of(event, len(event.data), looked[event.address].matched)
    deliveries = await _deliveries(call, event)
    return Answer(types.EventDetail(**fields, data=types.data_of(event), deliveries=deliveries))


async def _deliveries(call: Call, event: Event) -> types.DeliveriesOfEvent:
    services = call.services
    keys = await history.deliveries_of(call, event.address)
    records = await delivery_list.read_records(services.redis, services.partitions, keys)
    pairs = [(key, record) for key, record in zip(keys, records, strict=True) if record is not None]
    counted = Counter(record.state for _, record in pairs)
    header = event_list.Header(event, len(event.data))
    first = [delivery_list.Item(key, record, header) for key, record in pairs[:FIRST_DELIVERIES]]
    return types.DeliveriesOfEvent(
        total=len(pairs),
        counts={state.name.lower(): counted[state] for state in model.State},
        data=await history.show(call, first),
        link=f"/v1/deliveries?event={quote(event.id, safe='')}",
    )


LIST = "/v1/events"
EVENT = "/v1/events/{id}"
ROUTES = (
    Route(Operation(
        "list_events", "GET", LIST, "Events", answers={200: pages.Page[types.ListedEvent]}, scope="read",
        description="By acceptance. One request looks at a bounded number of entries: a page may hold fewer items than "
        "`limit`, even none, with a `next` to go on from. With `order=asc` every page that has items has a `next`, and "
        "an empty one with `next: null` means that nothing is new: asking again with the cursor that you have misses "
        "nothing.",
        parameters=(
            filters.TYPE,
            Parameter("subject", "Only with this subject."),
            Parameter("source", "Only from this source."),
            Parameter("subscriber", "Only addressed to this subscriber."),
            Parameter("matched", "`none`: only what nobody matched.", {"type": "string", "enum": ["none"]}),
            filters.SINCE, filters.UNTIL,
            Parameter("include", "`data`: with payloads; at most 4 MB a page.", {"type": "string", "enum": ["data"]}),
            *PAGE_PARAMETERS,
        ),
        problems=("invalid_parameter", "invalid_cursor"),
    ), list_all),
    Route(Operation(
        "get_event", "GET", EVENT, "One event with its payload and deliveries", answers={200: types.EventDetail},
        scope="read", problems=("not_found",),
        description="By the id that the gateway or the publisher gave it, which is the `webhook-id` of its deliveries.",
    ), get),
)  # fmt: skip
