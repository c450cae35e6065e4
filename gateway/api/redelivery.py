"""Manual redelivery: one attempt more of one delivery, asked for by a person.

    POST /v1/deliveries/{id}/redeliver            POST /v1/events/{id}/redeliver {"endpoint"}
        found? event kept? endpoint there and enabled? -> order for the partition's owner -> 202

The gateway changes no record: it leaves an order, which the owner obeys and removes together with the attempt. The
script that takes the order answers whether an attempt is running or ordered already. So a 202 stands for an order on
disk, and what would do nothing is refused before.

What a failed manual attempt means: delivered stays delivered, scheduled keeps its next time, held, dead and skipped
stay what they are; with `retry` the schedule begins anew instead.
"""

import msgspec

from gateway import ids, problems
from gateway.api import fields, history
from gateway.api.call import Answer, Call
from gateway.api.deliveries import DELIVERY
from gateway.api.events import EVENT
from gateway.api.openapi import Operation, Route
from gateway.model import delivery as model
from gateway.model.endpoint import Endpoint
from gateway.problems import Problem
from gateway.store import endpoint_names, log, work

WAY_OUT = "a replay in mode `fill` makes the delivery: POST /v1/replays"


class Redelivery(msgspec.Struct):
    """How to send it again. `retry`: should the attempt fail, the retry schedule begins anew."""

    retry: bool = False


class EventRedelivery(msgspec.Struct):
    """Where to send it again: the delivery of this event to this endpoint."""

    endpoint: str
    retry: bool = False


class Redelivered(msgspec.Struct):
    """The delivery as it is before the attempt; all of it is at `/v1/deliveries/{id}`."""

    id: str
    event: str
    endpoint: str
    status: str


class Ordered(msgspec.Struct):
    """The order is on disk. `delivery` is what is sent again, `attempt` the number that the attempt will have.

    `receiver_may_deduplicate`: it was delivered before and keeps its `webhook-id`, so a receiver that remembers ids
    answers without handling it again; to have it handled again, replay it in mode `again`.
    """

    delivery: Redelivered
    attempt: int
    receiver_may_deduplicate: bool


async def of_delivery(call: Call) -> Answer:
    """POST /v1/deliveries/{id}/redeliver."""
    asked, wrong = fields.read(await call.optional_json_object(), Redelivery)
    problems.refuse_fields(wrong)
    found = await history.delivery(call, call.path["id"])
    return await _order(call, found, retry=asked["retry"])


async def of_event(call: Call) -> Answer:
    """POST /v1/events/{id}/redeliver."""
    asked, wrong = fields.read(await call.json_object(), EventRedelivery)
    problems.refuse_fields(wrong)
    services, event_id, endpoint_id = call.services, call.path["id"], asked["endpoint"]
    address = await log.find(services.redis, services.partitions, event_id)
    numbers = await endpoint_names.known_to(services.redis).of_endpoint(endpoint_id)
    if address is None:
        problems.not_found("event", event_id)
    for number in reversed(numbers):
        found = await history.find_delivery(call, ids.DeliveryKey(*address, number))
        if found is not None:
            return await _order(call, found, retry=asked["retry"])
    raise await _missing(call, event_id, endpoint_id)


async def _missing(call: Call, event_id: str, endpoint_id: str) -> Problem:
    """The 404 about the delivery, with the way to one; raises that about the event if the caller may not see it."""
    await history.event(call, event_id)
    return Problem("not_found", f"event {event_id[:120]} has no delivery for endpoint {endpoint_id[:120]}; {WAY_OUT}")


async def _order(call: Call, found: history.Found, *, retry: bool) -> Answer:
    key, services = found.key, call.services
    if found.event is None or not found.event.is_intact():
        raise Problem("event_expired", f"the event of delivery {key.delivery_id} is not kept any more or unreadable")
    endpoint = await _endpoint(call, found)
    partition = services.partitions[key.partition]
    ordered = await work.order_manual(services.redis, partition, key, retry=retry)
    if ordered.answer != "queued" or ordered.record is None:
        raise Problem(
            "delivery_in_flight", f"an attempt of delivery {key.delivery_id} to {endpoint.id} runs or is ordered"
        )
    delivered = ordered.record.state is model.State.DELIVERED
    again = Redelivered(key.delivery_id, found.event.id, endpoint.id, ordered.record.state.name.lower())
    answer = Ordered(again, ordered.record.attempts + 1, delivered)
    return Answer(answer, 202, {"location": f"/v1/deliveries/{key.delivery_id}"})


async def _endpoint(call: Call, found: history.Found) -> Endpoint:
    """The endpoint of the delivery, there and enabled."""
    name = found.owner.endpoint if found.owner else ""
    endpoint = await call.services.registry.get_endpoint(name) if name else None
    if endpoint is None or endpoint.number != found.key.endpoint:
        raise Problem("endpoint_deleted", f"endpoint {name} of delivery {found.key.delivery_id} was deleted")
    if endpoint.status == "disabled":
        raise Problem("endpoint_disabled", f"endpoint {endpoint.id} is disabled ({endpoint.disabled_reason})")
    return endpoint


_PROBLEMS = (
    "not_found", "delivery_in_flight", "endpoint_disabled", "endpoint_deleted", "event_expired", "invalid_request",
    "malformed_json", "invalid_encoding",
)  # fmt: skip
ROUTES = (
    Route(Operation(
        "redeliver_delivery", "POST", f"{DELIVERY}/redeliver", "Send a delivery once more",
        answers={202: Ordered}, scope="manage", body=Redelivery, body_required=False, problems=_PROBLEMS,
        headers={"Location": "Path of the delivery."},
        description="One attempt now, outside of the schedule. Should it fail, the delivery stays as it is, a "
        "scheduled one with its next time; with `retry` the schedule begins anew.",
    ), of_delivery),
    Route(Operation(
        "redeliver_event", "POST", f"{EVENT}/redeliver", "Send an event to one endpoint once more",
        answers={202: Ordered}, scope="manage", body=EventRedelivery, problems=_PROBLEMS,
        headers={"Location": "Path of the delivery."},
        description="For who has only the `webhook-id`. An event that has no delivery for the endpoint gets one by a "
        "replay in mode `fill`.",
    ), of_event),
)  # fmt: skip
