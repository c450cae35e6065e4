"""Every endpoint is explained, by number, page by page: what was decided then, what holds now, what is next."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway import ids
from gateway.api import explain
from gateway.model.delivery import Attempt, AttemptError, Reason, Record, State, chain_of
from gateway.store import breakers
from gateway.store.breakers import Breaker
from tests.support.reading_gateway import ReadingGateway, opened

DELIVERED = Record(State.DELIVERED, attempts=1, status=200)


@pytest.fixture
async def gateway(valkey_url: str, tmp_path: Path) -> AsyncIterator[ReadingGateway]:
    async with opened(valkey_url, tmp_path, explain.ROUTES) as gateway:
        yield gateway


async def explained(gateway: ReadingGateway, event: str, key: str | None = None, **query: Any) -> dict[str, Any]:
    """Explanations by endpoint, over all pages."""
    found = await gateway.pages(f"/v1/events/{event}/explain", key, **query)
    named = {one["endpoint"]: one for one in found}
    assert len(named) == len(found)
    return named


async def test_each_endpoint_has_its_reason(gateway: ReadingGateway) -> None:
    got = await gateway.endpoint("got")
    await gateway.endpoint("other", patterns=["user.*"])
    await gateway.endpoint("rich", patterns=["order.*"])
    await gateway.change("rich", filter="data.n > 100")
    await gateway.endpoint("broken")
    await gateway.change("broken", filter="data.missing")
    await gateway.endpoint("off")
    await gateway.registry.disable("off", "operator", 1)
    await gateway.endpoint("acme", "acme", "external")
    address = await gateway.filled.publish(1)
    await gateway.filled.settle(address, {got: DELIVERED})
    found = await explained(gateway, address.event_id)
    assert {name: (one["matched"], one["reason"]) for name, one in found.items()} == {
        "got": (True, "matched"),
        "other": (False, "pattern"),
        "rich": (False, "filter"),
        "broken": (False, "filter_error"),
        "off": (False, "disabled"),
        "acme": (False, "addressing"),
    }
    assert found["broken"]["detail"].startswith("its filter has no answer for this event: no such member: missing")
    assert found["off"]["as_of"] == "delivery"
    assert {name: one["delivery"] for name, one in found.items() if name != "got"} == dict.fromkeys(
        found.keys() - {"got"}
    )
    key = ids.DeliveryKey(*address, got)
    assert found["got"]["delivery"] == {
        "id": key.delivery_id, "status": "delivered", "reason": None, "next_attempt_at": None, "attempts": 1,
        "rule": "delivered by attempt 1 with HTTP 200",
    }  # fmt: skip


async def test_what_was_decided_then_stays_when_the_endpoint_changes(gateway: ReadingGateway) -> None:
    got, missed = await gateway.endpoint("got"), await gateway.endpoint("missed", patterns=["user.*"])
    address = await gateway.filled.publish(1)
    await gateway.filled.settle(address, {got: DELIVERED})
    await gateway.change("got", event_types=("user.*",))
    await gateway.change("missed", event_types=("*",))
    assert missed
    found = await explained(gateway, address.event_id)
    assert (found["got"]["matched"], found["got"]["as_of"]) == (True, "delivery")
    assert (found["missed"]["matched"], found["missed"]["reason"]) == (False, "changed_since")
    assert found["missed"]["as_of"] == "now"


async def test_an_endpoint_that_is_gone_is_explained_if_it_got_the_event(gateway: ReadingGateway) -> None:
    numbers = [await gateway.endpoint(name, f"of-{name}") for name in ("gone", "never", "again")]
    address = await gateway.filled.publish(1)
    await gateway.filled.settle(address, {numbers[0]: DELIVERED, numbers[2]: DELIVERED})
    for name in ("gone", "never", "again"):
        await gateway.registry.delete_endpoint(name)
    await gateway.endpoint("again", "of-again")
    found = await gateway.pages(f"/v1/events/{address.event_id}/explain", order="asc", limit=1)
    reasons = [(one["endpoint"], one["reason"], one["delivery"] is not None) for one in found]
    assert reasons == [("gone", "matched", True), ("again", "matched", True), ("again", "not_yet_created", False)]
    assert found[0]["subscriber"] == "of-gone"
    only = await gateway.pages(f"/v1/events/{address.event_id}/explain", endpoint="again")
    assert [one["reason"] for one in only] == ["not_yet_created", "matched"]


async def test_an_unread_event_is_explained_by_the_registry_and_by_records(gateway: ReadingGateway) -> None:
    will, has = await gateway.endpoint("will"), await gateway.endpoint("has")
    await gateway.endpoint("not", patterns=["user.*"])
    address = await gateway.filled.publish(1)
    await gateway.filled.change(ids.DeliveryKey(*address, has), None, Record(State.PENDING, attempts=1))
    await gateway.change("has", event_types=("user.*",))
    found = await explained(gateway, address.event_id)
    assert {name: (one["matched"], one["as_of"]) for name, one in found.items()} == {
        "will": (True, "now"), "has": (True, "delivery"), "not": (False, "now"),
    }  # fmt: skip
    assert found["will"]["delivery"]["id"] == ids.DeliveryKey(*address, will).delivery_id
    assert found["will"]["delivery"]["rule"] == "the first attempt is running, or waits for its turn"
    assert found["has"]["delivery"]["rule"] == "attempt 2 is running, or waits for its turn"
    assert found["not"]["delivery"] is None


async def test_the_next_attempt_and_the_rule_that_set_it(gateway: ReadingGateway) -> None:
    names = ["busy", "slow", "paused", "broken"]
    busy, slow, paused, broken = [await gateway.endpoint(name) for name in names]
    await gateway.change("slow", retry_schedule=(60,))
    await gateway.change("paused", status="paused", paused_ms=1_700_000_000_000)
    await breakers.swap(gateway.filled.redis, broken, None, Breaker(1, 1_700_000_000_000))
    address = await gateway.filled.publish(1)
    told = Attempt(1, 1, 5, 10, "", "https://example.com", b"", {}, 503, b"Retry-After: 120\r\nX: 1", b"", False)
    failed: dict[str, Any] = {"attempts": 1, "failures": 1, "due_ms": 1_800_000_000_000}
    await gateway.filled.settle(
        address,
        {
            busy: Record(State.SCHEDULED, status=503, error=AttemptError.HTTP_STATUS, **failed),
            slow: Record(State.SCHEDULED, error=AttemptError.DEADLINE, **failed),
            paused: Record(State.HELD, Reason.PAUSED),
            broken: Record(State.HELD, Reason.BREAKER),
        },
        {busy: told},
    )
    found = {name: one["delivery"] for name, one in (await explained(gateway, address.event_id)).items()}
    assert found["busy"]["rule"] == "retry 1 of 10 after HTTP 503, Retry-After 120"
    assert found["busy"]["next_attempt_at"] == "2027-01-15T08:00:00.000Z"
    assert found["slow"]["rule"] == "retry 1 of 1 after deadline"
    assert found["paused"]["rule"] == "held: the endpoint is paused since 2023-11-14T22:13:20.000Z"
    assert found["broken"]["rule"] == "held: the breaker is open, the next probe is at 2023-11-14T22:13:20.000Z"
    assert (found["broken"]["status"], found["broken"]["reason"]) == ("held", "breaker")


async def test_what_waits_for_its_order_names_the_event_that_it_waits_for(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay")
    chain = chain_of("order/1")
    first, second = [await gateway.filled.publish(subject="order/1", id=f"e{n}") for n in (1, 2)]
    await gateway.filled.settle(first, {number: Record(State.SCHEDULED, failures=1, due_ms=9, chain=chain)})
    await gateway.filled.settle(second, {number: Record(State.HELD, Reason.ORDER, chain=chain)})
    found = await explained(gateway, "e2")
    assert found["pay"]["delivery"]["rule"] == "held: waits for the event e1 of the same ordering key"


async def test_a_delivery_by_a_replay_is_shown_as_such(gateway: ReadingGateway) -> None:
    number = await gateway.endpoint("pay", patterns=["user.*"])
    address = await gateway.filled.publish(2)
    await gateway.filled.settle(address, {})
    key = ids.DeliveryKey(*address, number, 3)
    await gateway.filled.change(key, None, msgspec.structs.replace(DELIVERED, run=3), late=True)
    found = (await explained(gateway, address.event_id))["pay"]
    assert (found["matched"], found["reason"]) == (False, "pattern")
    assert found["delivery"]["rule"] == "by a replay: delivered by attempt 1 with HTTP 200"


async def test_it_goes_by_number_in_pages(gateway: ReadingGateway) -> None:
    names = [f"e{n}" for n in range(7)]
    for name in names:
        await gateway.endpoint(name)
    address = await gateway.filled.publish(2)
    for order, expected in (("asc", names), ("desc", names[::-1])):
        found = await gateway.pages(f"/v1/events/{address.event_id}/explain", order=order, limit=3)
        assert [one["endpoint"] for one in found] == expected
    (only,) = await gateway.pages(f"/v1/events/{address.event_id}/explain", endpoint="e3")
    assert only["endpoint"] == "e3"
    answer = await gateway.request("GET", f"/v1/events/{address.event_id}/explain?endpoint=nobody")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_subscribers_key_sees_its_own_endpoints_only(gateway: ReadingGateway) -> None:
    await gateway.endpoint("shop")
    own = await gateway.endpoint("own", "acme", "external")
    gone = await gateway.endpoint("gone", "rival", "external")
    address = await gateway.filled.publish(2, subscriber="acme")
    await gateway.filled.settle(address, {own: DELIVERED, gone: DELIVERED})
    await gateway.registry.delete_endpoint("gone")
    bound = await gateway.make_key(["read"], "acme")
    assert set(await explained(gateway, address.event_id, bound)) == {"own"}
    for name in ("shop", "gone"):
        answer = await gateway.request("GET", f"/v1/events/{address.event_id}/explain?endpoint={name}", bound)
        assert answer.status_code == 404
    rival = await gateway.make_key(["read"], "rival")
    answer = await gateway.request("GET", f"/v1/events/{address.event_id}/explain", rival)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
