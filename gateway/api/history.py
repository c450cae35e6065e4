"""What events and deliveries share: finding them by id, what a key may see of them, and showing deliveries.

An event is visible to a key bound to a subscriber if it is addressed to that one, a delivery if its endpoint is or was
that one's. Anything else is missing for it, in the same words as what does not exist.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway import ids, matching, problems
from gateway.api import delivery_types as types
from gateway.api.call import Call
from gateway.model import delivery as model
from gateway.model.event import Event, EventUnreadable
from gateway.store import delivery_list, endpoint_names, leases, log
from gateway.store.registry_reads import EndpointName

WAITS = model.Record(model.State.PENDING)
"""What is true of a delivery whose event was not read yet, or whose first attempt runs."""


class Found(NamedTuple):
    """A delivery: `event` None when it is gone, `owner` None when its event could not be read."""

    key: ids.DeliveryKey
    record: model.Record
    event: Event | None
    owner: EndpointName | None


async def event(call: Call, event_id: str) -> Event:
    """An event with its data; raises Problem `not_found`."""
    services = call.services
    address = await log.find(services.redis, services.partitions, event_id)
    found = await read_event(call, address) if address else None
    if found is None or not call.sees(found.subscriber):
        problems.not_found("event", event_id)
    return found


async def read_event(call: Call, address: ids.Address) -> Event | None:
    """An event with its data; None when it is gone or unreadable."""
    try:
        return await log.read(call.services.redis, call.services.partitions[address.partition], address)
    except EventUnreadable:
        return None


async def is_unread(call: Call, address: ids.Address) -> bool:
    """Whether the recorded mark has not passed it, so that deliveries may still be without a record."""
    mark = await call.services.redis.get(call.services.partitions[address.partition].recorded)
    return not leases.is_behind(address.stream_id, mark.decode() if isinstance(mark, bytes) else "0-0")


async def deliveries_of(call: Call, address: ids.Address) -> list[ids.DeliveryKey]:
    """The keys of an event's deliveries that the caller may see; some may have no record while it is unread."""
    services = call.services
    candidates: Iterable[int] = ()
    if await is_unread(call, address):
        found = await read_event(call, address)
        if found is not None:
            await services.mirror.refresh()
            candidates = [one.number for one in services.mirror.match(found)]
    partition = services.partitions[address.partition]
    keys = await delivery_list.of_event(services.redis, partition, address, candidates)
    own = await own_endpoints(call)
    return [key for key in keys if own is None or key.endpoint in own]


async def own_endpoints(call: Call) -> frozenset[int] | None:
    """The numbers of the endpoints that a bound key may see; None for a key that sees all."""
    if call.key.subscriber is None:
        return None
    return frozenset(await endpoint_names.known_to(call.services.redis).of_subscriber(call.key.subscriber))


async def delivery(call: Call, delivery_id: str) -> Found:
    """A delivery by its id; raises Problem `not_found`."""
    key = ids.parse_delivery_id(delivery_id)
    found = await find_delivery(call, key) if key and key.partition < len(call.services.partitions) else None
    return found or problems.not_found("delivery", delivery_id)


async def find_delivery(call: Call, key: ids.DeliveryKey) -> Found | None:
    """A delivery that the caller may see. One of an unread event that its endpoint will get is pending already."""
    services = call.services
    owner = (await endpoint_names.known_to(services.redis).of_numbers([key.endpoint])).get(key.endpoint)
    if call.key.subscriber is not None and (owner is None or not call.sees(owner.subscriber)):
        return None
    # asked before the record is read: if the mark passes in between, the record is there
    unread = await is_unread(call, key.address)
    (record,) = await delivery_list.read_records(services.redis, services.partitions, [key])
    event = await read_event(call, key.address)
    if record is None and unread and event is not None and owner is not None:
        record = WAITS if await _will_come(call, key, event, owner) else None
    return None if record is None else Found(key, record, event, owner)


async def _will_come(call: Call, key: ids.DeliveryKey, event: Event, owner: EndpointName) -> bool:
    endpoint = await call.services.registry.get_endpoint(owner.endpoint)
    if endpoint is None or key.run or endpoint.number != key.endpoint:
        return False
    return matching.matches(endpoint, event)


async def show(call: Call, items: Sequence[delivery_list.Item]) -> list[types.Delivery]:
    """Deliveries of a list as the API shows them."""
    owners = await endpoint_names.known_to(call.services.redis).of_numbers(item.key.endpoint for item in items)
    replays = await replay_ids(call, (item.key.run or item.record.run for item in items))
    return [
        types.Delivery(
            **types.fields_of(
                item.key,
                item.record,
                item.header.event if item.header else None,
                owners.get(item.key.endpoint),
                replays.get(item.key.run or item.record.run),
            ),
            attempts=item.record.attempts,
        )
        for item in items
    ]


async def replay_ids(call: Call, runs: Iterable[int]) -> dict[int, str]:
    """The ids of replays by their run; nothing is read when there was none."""
    if not any(runs):
        return {}
    return {replay.run: replay.id for replay in await call.services.replays.list_all()}
