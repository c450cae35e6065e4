from typing import Any

import pytest

from dispatcher.partition import Partition
from gateway import ids
from gateway.model.delivery import State, Trigger
from gateway.model.endpoint import Endpoint
from gateway.store import work
from tests.integration.dispatcher.rig import Hand, Rig, described
from tests.support.waiting import until


async def delivered(rig: Rig, hand: Hand) -> ids.Address:
    """An event that everybody has got."""
    (address,) = await rig.publish()
    await hand.work()
    return address


async def counted(rig: Rig, name: str) -> int:
    value: Any = await rig.redis.hget(rig.partitions[0].replayed, name)
    return int(value or 0)


async def test_a_manual_attempt_is_made_and_its_order_removed(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    address = await delivered(rig, hand)
    assert await rig.order(address, shop) == "queued"
    assert await rig.order(address, shop) == "in_flight"
    await hand.work()
    assert [request.attempt for request in rig.receiver.requests] == [1, 2]
    assert [a.trigger for a in await rig.attempts(address, shop)] == [Trigger.FIRST, Trigger.MANUAL]
    assert await rig.redis.hlen(rig.partitions[0].work) == 0
    assert await rig.balanced()


@pytest.mark.parametrize("state", ["delivered", "scheduled", "dead exhausted", "skipped endpoint_disabled"])
@pytest.mark.parametrize("kind", [work.Kind.MANUAL, work.Kind.MANUAL_RETRY])
async def test_a_failed_manual_attempt_leaves_the_delivery_as_it_was_unless_a_retry_is_wanted(
    rig: Rig, state: str, kind: work.Kind
) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(100,))
    hand = await rig.hand()
    address = await in_state(rig, hand, shop, state)
    before = await rig.record(address, shop)
    assert before is not None
    rig.receiver.answer("shop", 500)
    assert await rig.order(address, shop, kind) == "queued"
    await hand.work()
    after = await rig.record(address, shop)
    assert after is not None
    assert after.attempts == before.attempts + 1
    if kind is work.Kind.MANUAL:
        assert (described(after), after.due_ms) == (state, before.due_ms)
    else:
        assert described(after) == "scheduled"
        assert after.failures == 1
    assert await rig.balanced()


async def in_state(rig: Rig, hand: Hand, shop: Endpoint, state: str) -> ids.Address:
    rig.receiver.answer("shop", 200 if state == "delivered" else 500)
    address = await delivered(rig, hand)
    if state == "dead exhausted":
        await hand.pass_time(200)
        await hand.work()
    if state.startswith("skipped"):
        await rig.switch(shop, "disabled")
        await hand.turn("reader", "sweeper")
        await hand.settle()
        await rig.switch(shop, "enabled")
    assert await rig.states([address], shop) == [state]
    return address


async def test_fill_opens_what_has_ended_badly_and_makes_what_is_missing(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(100,))
    hand = await rig.hand()
    missing = await rig.publish()
    await hand.work()
    late = await rig.endpoint("late")
    rig.receiver.answer("shop", 500)
    dead = await delivered(rig, hand)
    await hand.pass_time(200)
    await hand.work()
    rig.receiver.answer("shop", 200)
    assert await rig.order(dead, shop, work.Kind.FILL, 5) == "queued"
    assert await rig.order(missing[0], late, work.Kind.FILL, 5) == "queued"
    assert await rig.order(missing[0], shop, work.Kind.FILL, 5) == "kept"
    await hand.work()
    assert await rig.states([dead], shop) == ["delivered"]
    assert await rig.states(missing, late) == ["delivered"]
    assert await counted(rig, "5:sent") == 2
    assert await counted(rig, "5:delivered") == 2
    assert await rig.balanced()


async def test_again_makes_deliveries_of_its_own(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    address = await delivered(rig, hand)
    assert await rig.order(address, shop, work.Kind.AGAIN, 3) == "queued"
    await hand.work()
    again = rig.receiver.requests[1]
    assert again.id == f"{address.event_id}:r3"
    assert (again.headers["webhook-replay"], again.headers["webhook-original-id"]) == ("3", address.event_id)
    record = await rig.record(address, shop, run=3)
    assert record is not None
    assert (record.state, record.run) == (State.DELIVERED, 3)
    assert await rig.balanced()


async def test_orders_for_a_hanging_endpoint_take_no_room_from_others(rig: Rig) -> None:
    """They lie in the store anyway; in memory they would have stopped all reading."""
    slow = await rig.endpoint("slow", event_types=("slow.*",))
    quick = await rig.endpoint("quick", event_types=("quick.*",))
    hand = await rig.hand()
    addresses = await rig.publish(600, type="slow.event")
    await hand.work()
    rig.receiver.hold("slow")
    for address in addresses:
        assert await rig.order(address, slow) == "queued"
    await hand.work()
    assert hand.attempts.running == len(hand.partitions[0].in_hand) == rig.settings.max_in_flight
    assert hand.attempts.lanes.waiting == 0
    assert hand.reader.has_room()
    others = await rig.publish(20, type="quick.event")
    await hand.work()
    assert await rig.states(others, quick) == ["delivered"] * 20
    rig.receiver.release("slow")
    await hand.work()
    assert await rig.redis.hlen(rig.partitions[0].work) == 0
    assert len(rig.receiver.ids("slow")) == 1_200


async def test_an_order_is_obeyed_once_however_old_the_page_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of orders is read while an attempt runs; the attempt is settled before the page is worked on."""
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    address = await delivered(rig, hand)
    rig.receiver.hold("shop")
    await rig.order(address, shop)
    await hand.work()
    old = await work.page(rig.redis, rig.partitions[0], 0)
    assert len(old.orders) == 1
    rig.receiver.release("shop")
    await hand.settle()

    async def page(*_: object) -> work.Page:
        return old

    monkeypatch.setattr(work, "page", page)
    await hand.work()
    assert len(rig.receiver.requests) == 2


async def test_an_order_waits_until_the_attempt_that_runs_has_ended(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 500, 200)
    address = await delivered(rig, hand)
    rig.receiver.manner("shop").hold = True
    await hand.pass_time(20)
    await hand.work()
    assert await rig.order(address, shop) == "queued"
    await hand.work()
    assert len(rig.receiver.requests) == 2
    rig.receiver.release("shop")
    await hand.work()
    assert [request.attempt for request in rig.receiver.requests] == [1, 2, 3]
    assert await rig.states([address], shop) == ["delivered"]


async def test_an_order_for_an_endpoint_enabled_a_moment_ago_is_obeyed(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    address = await delivered(rig, hand)
    await rig.switch(shop, "disabled")
    await hand.view.refresh()
    await rig.switch(shop, "enabled")
    new = await rig.endpoint("new")
    assert await rig.order(address, shop) == "queued"
    assert await rig.order(address, new, work.Kind.FILL, 1) == "queued"
    await hand.turn("retries")
    await until(lambda: len(rig.receiver.requests) == 3, 5)
    await hand.settle()
    assert await rig.states([address], new) == ["delivered"]


@pytest.mark.parametrize("how", ["disabled", "deleted"])
async def test_an_order_for_an_endpoint_that_is_off_is_removed(rig: Rig, how: str) -> None:
    shop, other = await rig.endpoints(["shop", "other"], subscriber="s")
    hand = await rig.hand()
    await rig.switch(other, "disabled")
    address = await delivered(rig, hand)
    await rig.switch(other, "enabled")
    assert await rig.order(address, shop) == "queued"
    assert await rig.order(address, other, work.Kind.FILL, 4) == "queued"
    for endpoint in (shop, other):
        if how == "deleted":
            await rig.registry.delete_endpoint(endpoint.id)
        else:
            await rig.switch(endpoint, "disabled")
    await hand.work()
    assert await rig.states([address], shop) == ["delivered"]
    assert await rig.states([address], other) == [f"skipped endpoint_{how}"]
    assert await counted(rig, "4:failed") == 1
    assert await counted(rig, "4:sent") == 0
    assert await rig.redis.hlen(rig.partitions[0].work) == 0
    assert len(rig.receiver.requests) == 1
    assert await rig.balanced()


async def test_an_order_that_waits_when_its_endpoint_is_switched_off_leaves_delivered_delivered(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    addresses = await rig.publish(100)
    await hand.work()
    rig.receiver.hold("shop")
    for address in addresses:
        await rig.order(address, shop)
    await hand.work()
    await rig.switch(shop, "disabled")
    await hand.turn("reader", "sweeper")
    rig.receiver.release("shop")
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 100
    assert await rig.redis.hlen(rig.partitions[0].work) == 0
    assert await rig.balanced()


async def test_an_order_for_an_event_that_is_gone_is_removed(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    address = await delivered(rig, hand)
    await rig.order(address, shop)
    await rig.redis.xdel(rig.partitions[0].log, address.stream_id)
    await hand.work()
    assert await rig.states([address], shop) == ["delivered"]
    assert await rig.redis.hlen(rig.partitions[0].work) == 0


async def test_a_page_of_orders_is_gone_through_in_bounded_steps(rig: Rig) -> None:
    slow = await rig.endpoint("slow")
    hand = await rig.hand()
    addresses = await rig.publish(3_000)
    await hand.work()
    rig.receiver.hold("slow")
    for start in range(0, 3_000, 250):
        wanted = [rig.key(address, slow) for address in addresses[start : start + 250]]
        await work.order(rig.redis, rig.partitions[0], wanted, work.Kind.MANUAL)
    partition: Partition = hand.partitions[0]
    await hand.turn("retries")
    assert partition.work_cursor != 0
    assert hand.attempts.running == rig.settings.max_in_flight
    for _ in range(10):
        await hand.turn("retries")
    assert hand.attempts.running == rig.settings.max_in_flight
