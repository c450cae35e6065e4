"""What can be done with an endpoint beside changing it: enable, disable, test.

`enable` answers since when the endpoint was disabled and the replay that would bring what it missed, for the caller to
send or not: nothing is replayed by itself. `test` sends `hookline.test` to this endpoint alone.
"""

from typing import Literal

import msgspec

from gateway import problems, rfc3339
from gateway.api import access
from gateway.api import endpoint_types as types
from gateway.api.call import Answer, Call
from gateway.api.endpoint_views import show
from gateway.api.endpoints import ENDPOINT
from gateway.api.openapi import Operation, Route
from gateway.ids import DeliveryKey
from gateway.model.endpoint import Endpoint
from gateway.model.event import NewEvent
from gateway.problems import Problem
from gateway.store import connection

TEST_TYPE = "hookline.test"
SOURCE = "/hookline"


class TestDelivery(msgspec.Struct):
    """The delivery of a test that is on its way, or held; its attempts are at `/v1/deliveries/{id}`."""

    id: str
    event: str
    endpoint: str
    status: Literal["pending", "held"]


async def enable(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/enable."""
    await call.empty_body()
    services = call.services
    old = await access.endpoint(call, call.path["id"])
    access.require_change(call, old.kind)
    missed_since = await _missed_since(call, old)
    now = await connection.store_ms(services.redis)
    stored = await services.registry.enable(old.id)
    if stored is None:
        problems.not_found("endpoint", old.id)
    since, replay = None, None
    if old.status == "disabled" and missed_since is not None and old.disabled_ms is not None:
        since = rfc3339.format_ms(old.disabled_ms)
        replay = types.ReplayBody(old.id, rfc3339.format_ms(missed_since), rfc3339.format_ms(now + 1))
    return Answer(types.EnabledEndpoint(**await show(call, stored), disabled_since=since, replay=replay))


async def _missed_since(call: Call, endpoint: Endpoint) -> int | None:
    """The acceptance of the first event that a disabled endpoint may have missed, store milliseconds.

    One that failed before it was disabled also missed what was waiting for a retry then: the events that were accepted
    up to one attempt before the first of these failures.
    """
    if endpoint.disabled_ms is None:
        return None
    health = (await call.services.health.get([endpoint.number])).get(endpoint.number)
    if health is None or health.failing_since_ms is None:
        return endpoint.disabled_ms
    deadline_seconds = endpoint.deadline_seconds or call.services.settings.deadline_seconds
    attempt_ms = (deadline_seconds + 1) * 1_000
    return min(endpoint.disabled_ms, health.failing_since_ms - attempt_ms)


async def disable(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/disable."""
    await call.empty_body()
    services = call.services
    old = await access.endpoint(call, call.path["id"])
    access.require_change(call, old.kind)
    await services.registry.disable(old.id, "operator", await connection.store_ms(services.redis))
    return Answer(types.Endpoint(**await show(call, await access.endpoint(call, old.id))))


async def test(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/test."""
    await call.empty_body()
    found = await access.endpoint(call, call.path["id"])
    if found.status == "disabled":
        raise Problem("endpoint_disabled", f"endpoint {found.id} is disabled ({found.disabled_reason})")
    data = msgspec.json.encode({"endpoint": found.id, "subscriber": found.subscriber, "request_id": call.request_id})
    event = NewEvent(source=SOURCE, type=TEST_TYPE, data=data, subscriber=found.subscriber, endpoint=found.id)
    address = await call.services.publish_internal(event)
    delivery = DeliveryKey(address.ms, address.seq, address.partition, found.number).delivery_id
    status: Literal["pending", "held"] = "held" if found.status == "paused" else "pending"
    started = TestDelivery(delivery, address.event_id, found.id, status)
    return Answer(started, 202, {"location": f"/v1/deliveries/{delivery}"})


ROUTES = (
    Route(Operation(
        "enable_endpoint", "POST", f"{ENDPOINT}/enable", "Enable an endpoint",
        answers={200: types.EnabledEndpoint}, scope="manage", problems=("not_found", "malformed_json"),
        description="Also says since when it was disabled, and the body of the POST /v1/replays that would bring what "
        "it missed. For an internal subscriber the key needs the scope `admin`.",
    ), enable),
    Route(Operation(
        "disable_endpoint", "POST", f"{ENDPOINT}/disable", "Disable an endpoint",
        answers={200: types.Endpoint}, scope="manage", problems=("not_found", "malformed_json"),
        description="Its unfinished deliveries become `skipped`. For an internal subscriber the key needs the scope "
        "`admin`.",
    ), disable),
    Route(Operation(
        "test_endpoint", "POST", f"{ENDPOINT}/test", "Send hookline.test to this endpoint only",
        answers={202: TestDelivery}, scope="manage", headers={"Location": "Path of the delivery."},
        problems=("not_found", "endpoint_disabled", "store_full", "malformed_json"),
    ), test),
)  # fmt: skip
