"""What lists and single views share: who sees what, what is true before there is a record, what cannot be read."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway import ids
from gateway.api import deliveries, events, redelivery
from gateway.model.delivery import Reason, Record, State
from tests.support.reading_gateway import ReadingGateway, opened

ROUTES = (*events.ROUTES, *deliveries.ROUTES, *redelivery.ROUTES)
POISON = Record(State.DEAD, Reason.POISON)


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, ROUTES) as gateway:
        yield gateway


async def test_an_entry_that_cannot_be_read_is_a_dead_letter_without_endpoint(gateway: ReadingGateway) -> None:
    stream_id: Any = await gateway.filled.redis.xadd(gateway.filled.partitions[1].log, {"x": "garbage"})
    address = ids.Address(*ids.parse_stream_id(stream_id), 1)
    await gateway.filled.settle(address, {0: POISON})
    (shown,) = (await gateway.get("/v1/deliveries", status="dead"))["data"]
    assert (shown["reason"], shown["type"], shown["endpoint"], shown["subscriber"]) == ("poison", None, None, None)
    assert shown["event"] == address.event_id
    assert (await gateway.get(f"/v1/deliveries/{shown['id']}"))["attempts"] == []
    answer = await gateway.post(f"/v1/deliveries/{shown['id']}/redeliver")
    assert (answer.status_code, answer.json()["code"]) == (410, "event_expired")
    bound = await gateway.make_key(subscriber="acme")
    assert (await gateway.get("/v1/deliveries", bound, status="dead"))["data"] == []
    assert (await gateway.request("GET", f"/v1/deliveries/{shown['id']}", bound)).status_code == 404


async def test_a_test_event_waits_for_its_endpoint_alone(gateway: ReadingGateway) -> None:
    wanted, other = await gateway.endpoint("pay"), await gateway.endpoint("ship")
    address = await gateway.filled.publish(2, type="hookline.test", subscriber="shop", endpoint="pay")
    for number, status in ((wanted, 200), (other, 404)):
        path = f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}"
        assert (await gateway.request("GET", path)).status_code == status


async def test_of_an_unread_event_only_what_filters_let_through_is_coming(gateway: ReadingGateway) -> None:
    numbers = [await gateway.endpoint(name) for name in ("few", "many", "broken")]
    for name, text in (("few", "data.n > 5"), ("many", "data.n > 0"), ("broken", "data.nothing")):
        await gateway.change(name, filter=text)
    address = await gateway.filled.publish(2)
    statuses = [
        (await gateway.request("GET", f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}")).status_code
        for number in numbers
    ]
    assert statuses == [404, 200, 404]
    many = ids.DeliveryKey(*address, numbers[1])
    await gateway.filled.change(many, None, Record(State.PENDING))
    await gateway.filled.change(ids.DeliveryKey(*address, numbers[0]), None, Record(State.PENDING))
    shown = (await gateway.get("/v1/deliveries", event=address.event_id))["data"]
    assert [one["id"] for one in shown] == [many.delivery_id]


async def test_a_disabled_endpoint_has_nothing_coming(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    address = await gateway.filled.publish(2)
    path = f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}"
    assert (await gateway.get(path))["status"] == "pending"
    await gateway.registry.disable("pay", "operator", 5)
    assert (await gateway.request("GET", path)).status_code == 404


async def test_every_event_of_a_subscriber_and_every_delivery_of_its_endpoints_is_seen_by_its_key(
    gateway: ReadingGateway,
) -> None:
    owners = ("acme", "rival", "shop")
    numbers = {
        owner: await gateway.endpoint(f"{owner}-1", owner, "internal" if owner == "shop" else "external")
        for owner in owners
    }
    made: dict[str, set[str]] = {owner: set() for owner in owners}
    for turn in range(12):
        addressed = ("", *owners)[turn % 4]
        address = await gateway.filled.publish(turn % 4, subscriber=addressed)
        reached = {addressed, "shop"} - {""}
        await gateway.filled.settle(address, {numbers[owner]: POISON for owner in sorted(reached)})
        for owner in reached:
            made[owner].add(ids.DeliveryKey(*address, numbers[owner]).delivery_id)
    for owner in owners:
        key = await gateway.make_key(subscriber=owner)
        shown = await gateway.pages("/v1/events", key, limit=2)
        assert [event["subscriber"] for event in shown] == [owner] * 3
        deliveries_shown = await gateway.pages("/v1/deliveries", key, limit=2)
        assert {delivery["id"] for delivery in deliveries_shown} == made[owner]
        assert {delivery["subscriber"] for delivery in deliveries_shown} == {owner}
