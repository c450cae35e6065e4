import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway import ids, wire
from gateway.api import deliveries
from gateway.model.delivery import Attempt, AttemptError, Reason, Record, State, Trigger
from gateway.model.replay import Replay
from tests.support.reading_gateway import ReadingGateway, opened

DELIVERED = Record(State.DELIVERED, attempts=1, status=200)
SCHEDULED = Record(
    State.SCHEDULED, Reason.NONE, 2, 503, AttemptError.HTTP_STATUS, 2, 1_900_000_000_000, 1_764_000_000_000
)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3, 0, AttemptError.DNS)
SENT = Attempt(
    Trigger.FIRST, 1_764_000_000_500, 12, AttemptError.HTTP_STATUS, "203.0.113.7:443", "https://example.com/hook",
    b"v1,abc", {"x-team": "a"}, 503, b"retry-after: 5", b"busy", False,
)  # fmt: skip


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, deliveries.ROUTES) as gateway:
        yield gateway


async def fill(gateway: ReadingGateway) -> dict[str, str]:
    """Two events at three endpoints; the delivery's id by `event endpoint`."""
    numbers = {
        "pay": await gateway.endpoint("pay"),
        "ship": await gateway.endpoint("ship"),
        "acme-1": await gateway.endpoint("acme-1", "acme", "external"),
    }
    shown = {}
    for name, event_type, records in (
        ("a", "order.placed", (DELIVERED, SCHEDULED, DEAD)),
        ("b", "order.paid", (DEAD, DELIVERED, DELIVERED)),
    ):
        address = await gateway.filled.publish(1, id=name, type=event_type)
        await gateway.filled.settle(address, dict(zip(numbers.values(), records, strict=True)))
        for endpoint, number in numbers.items():
            shown[f"{name} {endpoint}"] = ids.DeliveryKey(*address, number).delivery_id
    return shown


async def test_a_list_names_event_endpoint_and_subscriber(gateway: ReadingGateway) -> None:
    made = await fill(gateway)
    page = await gateway.get("/v1/deliveries")
    assert page["next"] is None
    assert [one["id"] for one in page["data"]] == sorted(made.values(), reverse=True)
    shown = {f"{one['event']} {one['endpoint']}": one for one in page["data"]}
    assert {name: one["id"] for name, one in shown.items()} == made
    scheduled = shown["a ship"]
    assert {name: scheduled[name] for name in ("type", "subscriber", "status", "reason", "attempts", "webhook_id")} == {
        "type": "order.placed",
        "subscriber": "shop",
        "status": "scheduled",
        "reason": None,
        "attempts": 2,
        "webhook_id": "a",
    }
    assert (scheduled["next_attempt_at"], scheduled["last_response_status"], scheduled["last_error"]) == (
        "2030-03-17T17:46:40.000Z",
        503,
        "http_status",
    )


async def test_filters_narrow_the_list(gateway: ReadingGateway) -> None:
    await fill(gateway)
    for query, expected in (
        ({"event": "a"}, ["a pay", "a ship", "a acme-1"]),
        ({"event": "a", "endpoint": "ship"}, ["a ship"]),
        ({"event": "nothing"}, []),
        ({"endpoint": "pay"}, ["a pay", "b pay"]),
        ({"endpoint": "nobody"}, []),
        ({"subscriber": "acme"}, ["a acme-1", "b acme-1"]),
        ({"subscriber": "acme", "endpoint": "pay"}, []),
        ({"type": "order.paid"}, ["b pay", "b ship", "b acme-1"]),
        ({"type": "user.*"}, []),
        ({"status": "scheduled"}, ["a ship"]),
        ({"status": "dead"}, ["a acme-1", "b pay"]),
        ({"status": "dead", "endpoint": "pay"}, ["b pay"]),
        ({"status": "delivered"}, ["a pay", "b ship", "b acme-1"]),
        ({"reason": "exhausted"}, ["a acme-1", "b pay"]),
        ({"response_status": "503"}, ["a ship"]),
        ({"error": "dns"}, ["a acme-1", "b pay"]),
        ({"since": "2100-01-01T00:00:00Z"}, []),
        ({"event": "a", "until": "2000-01-01T00:00:00Z"}, []),
    ):
        found = {f"{one['event']} {one['endpoint']}" for one in await gateway.pages("/v1/deliveries", **query, limit=1)}
        assert found == set(expected), query


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open"},
        {"reason": "none"},
        {"error": "none"},
        {"response_status": "0"},
        {"event": ""},
        {"state": "x"},
    ],
)
async def test_a_bad_query_is_refused(gateway: ReadingGateway, query: dict[str, str]) -> None:
    answer = await gateway.request("GET", "/v1/deliveries", params=query)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_parameter")


async def test_what_is_held_says_why(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    made = {}
    for reason in (Reason.PAUSED, Reason.BREAKER, Reason.ORDER):
        address = await gateway.filled.publish(2)
        await gateway.filled.settle(address, {number: Record(State.HELD, reason)})
        made[reason.name.lower()] = ids.DeliveryKey(*address, number).delivery_id
    held = await gateway.pages("/v1/deliveries", status="held", limit=2)
    assert {one["reason"]: one["id"] for one in held} == made
    for reason_name, delivery in made.items():
        (one,) = (await gateway.get("/v1/deliveries", reason=reason_name))["data"]
        shown = await gateway.get(f"/v1/deliveries/{delivery}")
        assert (one["id"], shown["status"], shown["reason"]) == (delivery, "held", reason_name)
        assert (shown["next_attempt_at"], shown["attempts"]) == (None, [])


async def test_a_deleted_endpoint_keeps_its_history(gateway: ReadingGateway) -> None:
    made = await fill(gateway)
    await gateway.registry.delete_endpoint("pay")
    assert {one["id"] for one in (await gateway.get("/v1/deliveries", endpoint="pay"))["data"]} == {
        made["a pay"],
        made["b pay"],
    }
    assert (await gateway.get(f"/v1/deliveries/{made['a pay']}"))["endpoint"] == "pay"
    assert len((await gateway.get("/v1/deliveries", subscriber="shop"))["data"]) == 4


async def attempted_twice(gateway: ReadingGateway) -> ids.DeliveryKey:
    """A delivery of event `order-1` to `pay` that failed once and was then delivered."""
    number = await gateway.endpoint("pay")
    address = await gateway.filled.publish(2, id="order-1", data=b'{"n": 1.00}', subject="s")
    first = Record(State.SCHEDULED, Reason.NONE, 1, 503, AttemptError.HTTP_STATUS, 1, 1_900_000_000_000, 5)
    await gateway.filled.settle(address, {number: first}, {number: SENT})
    key = ids.DeliveryKey(*address, number)
    done = msgspec.structs.replace(
        SENT, trigger=Trigger.SCHEDULE, started_ms=SENT.started_ms + 5_000, error=0, status=204, body=b""
    )
    await gateway.filled.change(key, first, Record(State.DELIVERED, Reason.NONE, 2, 204, changed_ms=9), attempt=done)
    return key


async def test_one_delivery_with_every_attempt(gateway: ReadingGateway) -> None:
    key = await attempted_twice(gateway)
    shown = await gateway.get(f"/v1/deliveries/{key.delivery_id}")
    named = ("status", "event", "endpoint", "subscriber")
    assert [shown[name] for name in named] == ["delivered", "order-1", "pay", "shop"]
    one, two = shown["attempts"]
    told = ("number", "trigger", "error", "remote_address", "duration_ms")
    assert [one[name] for name in told] == [1, "first", "http_status", "203.0.113.7:443", 12]
    assert one["response"] == {
        "status": 503,
        "headers": {"retry-after": "5"},
        "body": "busy",
        "body_truncated": False,
        "body_encoding": "utf-8",
    }
    assert (two["number"], two["trigger"], two["error"], two["response"]["status"]) == (2, "schedule", None, 204)


async def test_the_request_of_an_attempt_is_what_was_sent(gateway: ReadingGateway) -> None:
    key = await attempted_twice(gateway)
    event = (await gateway.filled.read(key.address)) or pytest.fail("the event is gone")
    shown = (await gateway.get(f"/v1/deliveries/{key.delivery_id}"))["attempts"][1]["request"]
    assert shown["body_sha256"] == hashlib.sha256(wire.body(event)).hexdigest()
    expected = {
        "host": "example.com",
        "webhook-id": "order-1",
        "webhook-timestamp": "1764000005",
        "webhook-signature": "v1,abc",
        "webhook-attempt": "2",
        "traceparent": wire.traceparent(wire.trace(event), key, 2),
        "x-team": "a",
        "content-length": str(len(wire.body(event))),
    }
    assert {name: shown["headers"][name] for name in expected} == expected
    reader = await gateway.make_key(["read"])
    hidden = await gateway.get(f"/v1/deliveries/{key.delivery_id}", reader)
    assert hidden["attempts"][0]["request"]["headers"]["x-team"] == "***"


async def test_a_delivery_outlives_its_event(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    address = await gateway.filled.publish(2, id="order-1")
    await gateway.filled.settle(address, {number: DEAD}, {number: SENT})
    await gateway.filled.redis.xdel(gateway.filled.partitions[2].log, address.stream_id)
    shown = await gateway.get(f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}")
    assert (shown["event"], shown["type"], shown["status"]) == (address.event_id, None, "dead")
    (attempt,) = shown["attempts"]
    assert (attempt["number"], attempt["response"]["body"]) == (3, "busy")
    assert attempt["request"] == {"url": "https://example.com/hook", "headers": None, "body_sha256": None}


async def test_a_delivery_of_an_unread_event_is_pending_before_it_has_a_record(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    other = await gateway.endpoint("other", patterns=["user.*"])
    address = await gateway.filled.publish(2)
    shown = await gateway.get(f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}")
    assert (shown["status"], shown["attempts"]) == ("pending", [])
    for key in (ids.DeliveryKey(*address, other), ids.DeliveryKey(*address, number, 3), ids.DeliveryKey(*address, 99)):
        answer = await gateway.request("GET", f"/v1/deliveries/{key.delivery_id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    await gateway.filled.settle(address, {})
    answer = await gateway.request("GET", f"/v1/deliveries/{ids.DeliveryKey(*address, number).delivery_id}")
    assert answer.status_code == 404


@pytest.mark.parametrize("name", ["dlv_x", "evt_000000000000000000000000", "dlv_" + "f" * 32, "dlv_" + "f" * 40])
async def test_what_is_no_delivery_is_not_found(gateway: ReadingGateway, name: str) -> None:
    answer = await gateway.request("GET", f"/v1/deliveries/{name}")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_replays_delivery_names_its_replay(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    address = await gateway.filled.publish(2, id="order-1")
    await gateway.filled.settle(address, {number: DELIVERED})
    replay = await gateway.replays.create(Replay("rpl_1", 0, "pay", number, 0, 1, mode="again"))
    key = ids.DeliveryKey(*address, number, replay.run)
    await gateway.filled.change(key, None, msgspec.structs.replace(DELIVERED, run=replay.run), late=True)
    shown = (await gateway.get("/v1/deliveries", event="order-1"))["data"]
    assert [(one["replay"], one["webhook_id"]) for one in shown] == [
        ("rpl_1", f"order-1:r{replay.run}"),
        (None, "order-1"),
    ]
    assert (await gateway.get(f"/v1/deliveries/{key.delivery_id}"))["replay"] == "rpl_1"


async def test_a_bound_key_sees_only_deliveries_of_its_endpoints(gateway: ReadingGateway) -> None:
    made = await fill(gateway)
    key = await gateway.make_key(subscriber="acme")
    own = {made["a acme-1"], made["b acme-1"]}
    for query in ({}, {"subscriber": "acme"}, {"endpoint": "acme-1"}, {"order": "desc"}):
        assert {one["id"] for one in (await gateway.get("/v1/deliveries", key, **query))["data"]} == own
    for query in ({"subscriber": "shop"}, {"endpoint": "pay"}, {"status": "scheduled"}):
        assert (await gateway.get("/v1/deliveries", key, **query))["data"] == []
    assert [one["id"] for one in (await gateway.get("/v1/deliveries", key, event="a"))["data"]] == [made["a acme-1"]]
    assert (await gateway.get(f"/v1/deliveries/{made['a acme-1']}", key))["status"] == "dead"
    missing = await gateway.request("GET", "/v1/deliveries/dlv_x", key)
    hidden = await gateway.request("GET", f"/v1/deliveries/{made['a pay']}", key)
    assert hidden.status_code == missing.status_code == 404
    assert hidden.json()["detail"] == missing.json()["detail"].replace("dlv_x", made["a pay"])


async def test_a_tail_ends_before_what_is_not_recorded_and_goes_on(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    query = {"order": "asc", "limit": "3"}
    seen: list[str] = []
    made: list[str] = []
    waiting = await gateway.filled.publish(3)
    for turn in range(8):
        address = await gateway.filled.publish(turn % 3)
        await gateway.filled.settle(address, {number: DELIVERED})
        made.append(ids.DeliveryKey(*address, number).delivery_id)
        page = await gateway.get("/v1/deliveries", **query)
        assert (page["data"], page["next"]) == ([], None)
    await gateway.filled.settle(waiting, {number: DEAD})
    made.append(ids.DeliveryKey(*waiting, number).delivery_id)
    await gateway.past_the_frontier()
    while page := await gateway.get("/v1/deliveries", **query):
        seen += [one["id"] for one in page["data"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert seen == sorted(made)
