"""Pauses: what is held where, what goes on meanwhile, and that nothing is dropped or out of order."""

import dataclasses

import pytest

from dispatcher import lanes
from gateway import ids
from gateway.model.delivery import Trigger
from gateway.model.endpoint import Endpoint
from gateway.store import work
from tests.integration.dispatcher.rig import Hand, Rig


async def test_a_pause_holds_everything_in_order_and_a_resume_drains_it(rig: Rig) -> None:
    shop, other = await rig.endpoints(["shop", "other"])
    hand = await rig.hand()
    await rig.change(shop, status="paused")
    addresses = await rig.publish(5)
    await hand.work()
    assert await rig.states(addresses, shop) == ["held paused"] * 5
    assert await rig.states(addresses, other) == ["delivered"] * 5
    assert await rig.recorded(), "the mark does not wait for a pause"
    assert await rig.balanced()
    await rig.change(shop, status="enabled")
    await hand.work()
    assert rig.receiver.ids("shop") == [address.event_id for address in addresses]
    assert await rig.states(addresses, shop) == ["delivered"] * 5
    assert await rig.balanced()


async def test_what_waits_when_the_pause_comes_is_held_and_what_runs_goes_on(rig: Rig) -> None:
    shop = await rig.endpoint("shop", max_in_flight=2)
    hand = await rig.hand()
    rig.receiver.hold("shop")
    first = await rig.publish(3)
    await hand.turn("reader")
    await rig.receiver.wait("shop", 2)
    hand.clock.jump(lanes.WAIT_SECONDS + 0.01)
    await hand.turn("retries")
    second = await rig.publish(2)
    await hand.work()
    assert await rig.states([*first[2:], *second], shop) == ["pending"] * 3
    await rig.change(shop, status="paused")
    await hand.work()
    assert await rig.states([*first[2:], *second], shop) == ["held paused"] * 3
    rig.receiver.release("shop")
    await hand.work()
    assert await rig.states(first, shop) == ["delivered", "delivered", "held paused"]
    assert len(rig.receiver.requests) == 2
    assert await rig.balanced()


async def test_a_retry_that_is_due_while_paused_is_held_and_then_made(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    (address,) = await rig.publish()
    await hand.work()
    await rig.change(shop, status="paused")
    await hand.work()
    assert await rig.states([address], shop) == ["scheduled"]
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([address], shop) == ["held paused"]
    await rig.change(shop, status="enabled")
    await hand.work()
    assert [attempt.trigger for attempt in await rig.attempts(address, shop)] == [Trigger.FIRST, Trigger.SCHEDULE]
    assert await rig.states([address], shop) == ["delivered"]
    assert await rig.balanced()


async def test_more_than_the_limit_is_skipped_and_a_replay_brings_it(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, hold_limit=3)
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    (retried,) = await rig.publish()
    await hand.work()
    await rig.change(shop, status="paused")
    addresses = await rig.publish(5)
    await hand.work()
    assert await rig.states(addresses, shop) == ["held paused"] * 3 + ["skipped hold_full"] * 2
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([retried], shop) == ["held paused"], "a retry is never dropped"
    await rig.change(shop, status="enabled")
    await hand.work()
    for address in addresses[3:]:
        assert await rig.order(address, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 5
    assert await rig.balanced()


async def test_a_person_may_send_to_a_paused_endpoint_and_a_replay_waits(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    await rig.change(shop, status="paused")
    by_hand, waiting = await rig.publish(2)
    await hand.work()
    assert await rig.order(by_hand, shop) == "queued"
    assert await rig.order(waiting, shop, work.Kind.AGAIN, run=7) == "queued"
    await hand.work()
    assert rig.receiver.ids("shop") == [by_hand.event_id]
    assert await rig.states([by_hand, waiting], shop) == ["delivered", "held paused"]
    await rig.change(shop, status="enabled")
    await hand.work()
    assert sorted(rig.receiver.ids("shop")) == sorted([by_hand.event_id, waiting.event_id, f"{waiting.event_id}:r7"])
    assert await rig.balanced()


async def test_a_replay_order_in_hand_when_the_pause_comes_is_obeyed_later(rig: Rig) -> None:
    shop = await rig.endpoint("shop", max_in_flight=1)
    addresses = await rig.publish(3)
    hand = await rig.hand()
    await hand.work()
    rig.receiver.hold("shop")
    for address in addresses:
        assert await rig.order(address, shop, work.Kind.AGAIN, run=2) == "queued"
    await hand.turn("retries")
    await rig.receiver.wait("shop", 4)
    await rig.change(shop, status="paused")
    await hand.work()
    rig.receiver.release("shop")
    await hand.work()
    assert len(rig.receiver.requests) == 4
    await rig.change(shop, status="enabled")
    await hand.work()
    assert len(rig.receiver.requests) == 6
    assert rig.receiver.repeated() == {}
    assert await work.outstanding(rig.redis, rig.partitions) == 0


async def test_live_events_wait_for_the_replay_that_the_endpoint_catches_up_with(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    await rig.change(shop, status="disabled")
    missed = await rig.publish(2, subject="a")
    hand = await rig.hand()
    await hand.work()
    await rig.change(shop, status="enabled", disabled_reason=None, disabled_ms=None, catch_up="rpl_1")
    (live,) = await rig.publish(subject="a")
    await hand.work()
    assert await rig.states([live], shop) == ["held paused"]
    for address in missed:
        assert await rig.order(address, shop, work.Kind.FILL, run=1) == "queued"
        await hand.work()
    assert rig.receiver.ids("shop") == [address.event_id for address in missed]
    await rig.change(shop, catch_up="")
    await hand.work()
    assert rig.receiver.ids("shop") == [address.event_id for address in (*missed, live)]


@pytest.mark.parametrize("status", ["disabled", "deleted"])
async def test_what_is_held_ends_with_its_endpoint(rig: Rig, status: str) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    ordered = await rig.publish(3, subject="a")
    await hand.work()
    await rig.change(shop, status="paused")
    plain = await rig.publish(2)
    await hand.work()
    assert await rig.states([*ordered, *plain], shop) == ["scheduled", *["held order"] * 2, *["held paused"] * 2]
    if status == "deleted":
        await rig.registry.delete_endpoint(shop.id)
    else:
        await rig.switch(shop, "disabled")
    await hand.work()
    await hand.turn("sweeper")
    await hand.work()
    assert await rig.states([*ordered, *plain], shop) == [f"skipped endpoint_{status}"] * 5
    assert await rig.redis.zcard(rig.partitions[0].order) == 0
    assert await rig.balanced()


async def catching_up(rig: Rig) -> tuple[Endpoint, ids.Address, Hand]:
    """An ordered endpoint that missed one event, and whose live events wait for a replay."""
    shop = await rig.endpoint("shop", ordered=True)
    await rig.change(shop, status="disabled")
    (missed,) = await rig.publish(1, subject="a")
    hand = await rig.hand()
    await hand.work()
    await rig.change(shop, status="enabled", disabled_reason=None, disabled_ms=None, catch_up="rpl_1")
    return shop, missed, hand


async def test_a_retry_of_a_replay_is_made_while_live_events_wait_for_it(rig: Rig) -> None:
    shop, missed, hand = await catching_up(rig)
    (live,) = await rig.publish(1, subject="a")
    await hand.work()
    rig.receiver.answer("shop", 500, 200)
    assert await rig.order(missed, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    assert await rig.states([missed, live], shop) == ["scheduled", "held paused"]
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([missed, live], shop) == ["delivered", "held paused"]
    assert await rig.balanced()


async def test_what_a_pause_held_of_a_replay_it_may_bring_again(rig: Rig) -> None:
    shop, missed, hand = await catching_up(rig)
    rig.receiver.answer("shop", 500, 200)
    assert await rig.order(missed, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    await rig.change(shop, status="paused")
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([missed], shop) == ["held paused"]
    await rig.change(shop, status="enabled")
    await hand.work()
    assert await rig.states([missed], shop) == ["held paused"], "live events wait in this lane"
    assert await rig.order(missed, shop, work.Kind.FILL, run=2) == "kept"
    assert await rig.order(missed, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    assert await rig.states([missed], shop) == ["delivered"]
    assert await rig.balanced()
