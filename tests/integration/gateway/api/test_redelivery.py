from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import ids
from gateway.api import deliveries, events, redelivery
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.store import work
from tests.support.reading_gateway import ReadingGateway, opened

RECORDS = {
    "delivered": Record(State.DELIVERED, attempts=1, status=200),
    "scheduled": Record(State.SCHEDULED, Reason.NONE, 2, 503, AttemptError.HTTP_STATUS, 2, 1_900_000_000_000, 5),
    "held": Record(State.HELD, Reason.BREAKER, 4),
    "dead": Record(State.DEAD, Reason.EXHAUSTED, 11),
    "skipped": Record(State.SKIPPED, Reason.OPERATOR, 0),
}
ROUTES = (*events.ROUTES, *deliveries.ROUTES, *redelivery.ROUTES)


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, ROUTES) as gateway:
        yield gateway


async def make(gateway: ReadingGateway, record: Record, name: str = "pay", partition: int = 2) -> ids.DeliveryKey:
    """A delivery of event `order-1` to the endpoint."""
    number = await gateway.endpoint(name)
    address = await gateway.filled.publish(partition, id="order-1")
    await gateway.filled.settle(address, {number: record})
    return ids.DeliveryKey(*address, number)


async def order_of(gateway: ReadingGateway, key: ids.DeliveryKey) -> work.Order | None:
    value = await gateway.filled.redis.hget(gateway.filled.partitions[key.partition].work, key.packed())
    return work.unpack(value) if isinstance(value, bytes) else None


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize("state", RECORDS)
async def test_any_finished_or_waiting_delivery_can_be_sent_again(gateway: ReadingGateway, state: str) -> None:
    record = RECORDS[state]
    key = await make(gateway, record)
    answer = await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver")
    assert answer.status_code == 202
    assert answer.json() == {
        "delivery": {"id": key.delivery_id, "event": "order-1", "endpoint": "pay", "status": state},
        "attempt": record.attempts + 1,
        "receiver_may_deduplicate": state == "delivered",
    }
    assert answer.headers["location"] == f"/v1/deliveries/{key.delivery_id}"
    assert await order_of(gateway, key) == work.Order(work.Kind.MANUAL, 0)
    assert code(await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver")) == (409, "delivery_in_flight")


async def test_a_new_schedule_is_asked_for_by_retry(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["dead"])
    answer = await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver", {"retry": True})
    assert answer.status_code == 202
    assert await order_of(gateway, key) == work.Order(work.Kind.MANUAL_RETRY, 0)


async def test_who_has_only_the_webhook_id_names_the_endpoint(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["delivered"])
    answer = await gateway.post("/v1/events/order-1/redeliver", {"endpoint": "pay", "retry": True})
    assert (answer.status_code, answer.json()["delivery"]["id"]) == (202, key.delivery_id)
    assert await order_of(gateway, key) == work.Order(work.Kind.MANUAL_RETRY, 0)


@pytest.mark.parametrize(
    "body", [{"endpoint": 5}, {}, {"endpoint": "pay", "retry": "yes"}, {"endpoint": "pay", "retry": None}, {"x": 1}]
)
async def test_a_bad_body_is_refused_by_field(gateway: ReadingGateway, body: dict[str, object]) -> None:
    key = await make(gateway, RECORDS["delivered"])
    answer = await gateway.post("/v1/events/order-1/redeliver", body)
    assert code(answer) == (422, "invalid_request")
    assert await order_of(gateway, key) is None
    answer = await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver", {"endpoint": "pay"})
    assert code(answer) == (422, "invalid_request")


async def test_a_running_first_attempt_is_in_flight(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    address = await gateway.filled.publish(1, id="order-1")
    key = ids.DeliveryKey(*address, number)
    path = f"/v1/deliveries/{key.delivery_id}/redeliver"
    assert code(await gateway.post(path)) == (409, "delivery_in_flight")
    await gateway.filled.change(key, None, Record(State.PENDING))
    assert code(await gateway.post(path)) == (409, "delivery_in_flight")
    assert code(await gateway.post("/v1/events/order-1/redeliver", {"endpoint": "pay"})) == (409, "delivery_in_flight")
    assert await order_of(gateway, key) is None


async def test_a_disabled_or_deleted_endpoint_gets_nothing(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["delivered"])
    path = f"/v1/deliveries/{key.delivery_id}/redeliver"
    await gateway.registry.disable("pay", "operator", 5)
    assert code(await gateway.post(path)) == (409, "endpoint_disabled")
    await gateway.registry.delete_endpoint("pay")
    answer = await gateway.post(path)
    assert code(answer) == (409, "endpoint_deleted")
    assert "deleted" in answer.json()["detail"]
    await gateway.endpoint("pay")
    assert code(await gateway.post(path)) == (409, "endpoint_deleted")
    assert await order_of(gateway, key) is None


async def test_an_event_that_is_gone_is_expired_and_one_that_is_kept_is_not(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["dead"])
    partition = gateway.filled.partitions[key.partition]
    entry = await gateway.filled.read(key.address)
    assert entry is not None
    raw: Any = await gateway.filled.redis.xrange(partition.log, key.address.stream_id, key.address.stream_id)
    header: bytes = raw[0][1][b"h"]
    await gateway.filled.redis.xdel(partition.log, key.address.stream_id)
    path = f"/v1/deliveries/{key.delivery_id}/redeliver"
    assert code(await gateway.post(path)) == (410, "event_expired")
    assert code(await gateway.post("/v1/events/order-1/redeliver", {"endpoint": "pay"})) == (410, "event_expired")
    kept = len(header).to_bytes(4, "big") + header + entry.data
    await gateway.filled.redis.hset(partition.kept, key.address.stream_id, kept)
    assert (await gateway.post(path)).status_code == 202


async def test_an_event_whose_bytes_changed_is_not_sent_again(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["dead"])
    partition = gateway.filled.partitions[key.partition]
    raw: Any = await gateway.filled.redis.xrange(partition.log, key.address.stream_id, key.address.stream_id)
    header, data = raw[0][1][b"h"], raw[0][1][b"d"]
    await gateway.filled.redis.xdel(partition.log, key.address.stream_id)
    changed = data[:-1] + bytes([data[-1] ^ 1])
    kept = len(header).to_bytes(4, "big") + header
    await gateway.filled.redis.hset(partition.kept, key.address.stream_id, kept + changed)
    for path, body in (
        (f"/v1/deliveries/{key.delivery_id}/redeliver", None),
        ("/v1/events/order-1/redeliver", {"endpoint": "pay"}),
    ):
        answer = await gateway.post(path, body)
        assert code(answer) == (410, "event_expired")
        assert "unreadable" in answer.json()["detail"]
    assert await order_of(gateway, key) is None
    await gateway.filled.redis.hset(partition.kept, key.address.stream_id, kept + data)
    assert (await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver")).status_code == 202


async def test_a_paused_endpoint_takes_the_order(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["dead"])
    await gateway.change("pay", status="paused")
    assert (await gateway.post(f"/v1/deliveries/{key.delivery_id}/redeliver")).status_code == 202
    assert await order_of(gateway, key) == work.Order(work.Kind.MANUAL, 0)


async def test_an_event_without_a_delivery_for_the_endpoint_is_referred_to_a_replay(gateway: ReadingGateway) -> None:
    await make(gateway, RECORDS["delivered"])
    await gateway.endpoint("late")
    for endpoint in ("late", "nobody"):
        answer = await gateway.post("/v1/events/order-1/redeliver", {"endpoint": endpoint})
        assert code(answer) == (404, "not_found")
        assert "`fill`" in answer.json()["detail"]
    answer = await gateway.post("/v1/events/order-2/redeliver", {"endpoint": "pay"})
    assert (answer.status_code, answer.json()["detail"]) == (404, "no event with id order-2")
    assert code(await gateway.post("/v1/deliveries/dlv_x/redeliver")) == (404, "not_found")


async def test_an_endpoint_made_again_under_its_id_does_not_hide_the_older_delivery(gateway: ReadingGateway) -> None:
    await make(gateway, RECORDS["delivered"])
    await gateway.registry.delete_endpoint("pay")
    await gateway.endpoint("pay")
    answer = await gateway.post("/v1/events/order-1/redeliver", {"endpoint": "pay"})
    assert code(answer) == (409, "endpoint_deleted")


async def test_a_key_needs_manage_and_a_bound_key_its_own_endpoint(gateway: ReadingGateway) -> None:
    key = await make(gateway, RECORDS["delivered"])
    path = f"/v1/deliveries/{key.delivery_id}/redeliver"
    assert code(await gateway.post(path, key=await gateway.make_key(["read"]))) == (403, "forbidden")
    acme = await gateway.make_key(subscriber="acme")
    assert code(await gateway.post(path, key=acme)) == (404, "not_found")
    answer = await gateway.post("/v1/events/order-1/redeliver", {"endpoint": "pay"}, key=acme)
    assert (answer.status_code, answer.json()["detail"]) == (404, "no event with id order-1")
    assert await order_of(gateway, key) is None
    number = await gateway.endpoint("acme-1", "acme", "external")
    address = await gateway.filled.publish(0, id="order-3", subscriber="acme")
    await gateway.filled.settle(address, {number: RECORDS["dead"]})
    answer = await gateway.post("/v1/events/order-3/redeliver", {"endpoint": "acme-1"}, key=acme)
    assert answer.status_code == 202
