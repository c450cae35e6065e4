"""Ordering keys: one at a time, in order, through failures, hands and deleted keys."""

import dataclasses

import pytest

from gateway.store import schedule
from tests.integration.dispatcher.rig import Rig


async def test_one_at_a_time_per_key_and_other_keys_flow(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.hold("shop")
    one = await rig.publish(3, subject="a")
    other = await rig.publish(1, subject="b")
    free = await rig.publish(2)
    await hand.turn("reader")
    await rig.receiver.wait("shop", 4)
    began = {address.event_id for address in (one[0], *other, *free)}
    assert set(rig.receiver.ids("shop")) == began
    rig.receiver.release("shop")
    await hand.work()
    assert [i for i in rig.receiver.ids("shop") if i not in began] == [address.event_id for address in one[1:]]
    assert await rig.states([*one, *other, *free], shop) == ["delivered"] * 6
    assert await rig.balanced()


async def test_what_waits_for_its_order_is_put_into_the_store_and_comes_in_order(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(4, subject="a")
    await hand.work()
    assert await rig.states(addresses, shop) == ["scheduled", *["held order"] * 3]
    assert await rig.recorded()
    later = await rig.publish(2, subject="a")
    await hand.work()
    assert await rig.states(later, shop) == ["held order"] * 2
    assert len(rig.receiver.requests) == 1
    assert await rig.balanced()
    await hand.pass_time(20)
    await hand.work()
    ids = [address.event_id for address in (*addresses, *later)]
    assert rig.receiver.ids("shop") == [ids[0], *ids]
    assert await rig.states([*addresses, *later], shop) == ["delivered"] * 6
    assert await rig.redis.zcard(rig.partitions[0].order) == 0
    assert await rig.balanced()


async def test_the_next_goes_on_when_one_has_failed_for_good(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, retry_schedule=(1,))
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    await hand.pass_time(2)
    await hand.work()
    assert await rig.states(addresses, shop) == ["dead exhausted", "delivered", "delivered"]
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in addresses]


async def test_where_a_failure_steps_aside_the_next_goes_on_at_once(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, on_failure="skip")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    assert await rig.states(addresses, shop) == ["scheduled", "delivered", "delivered"]
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.balanced()


async def test_so_many_wait_for_one_key_and_no_more(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, order_limit=3)
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    (first,) = await rig.publish(1, subject="a")
    await hand.work()
    rest = await rig.publish(4, subject="a")
    (other,) = await rig.publish(1, subject="b")
    await hand.work()
    assert await rig.states([first, *rest], shop) == ["scheduled", *["held order"] * 2, *["skipped hold_full"] * 2]
    assert await rig.states([other], shop) == ["scheduled"]
    assert await rig.balanced()


async def test_a_person_sends_one_out_of_its_turn(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    assert await rig.order(addresses[1], shop) == "queued"
    await hand.work()
    assert await rig.states(addresses, shop) == ["scheduled", "delivered", "held order"]
    assert rig.receiver.requests[-1].headers["webhook-trigger"] == "manual"
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.balanced()


@pytest.mark.parametrize("planned", [True, False])
async def test_a_new_owner_goes_on_where_the_line_stands(rig: Rig, *, planned: bool) -> None:
    shop = await rig.endpoint("shop", ordered=True, retry_schedule=(60,))
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    other = await rig.taken_over(hand, planned=planned)
    (later,) = await rig.publish(1, subject="a")
    await other.work()
    assert await rig.states([*addresses, later], shop) == ["scheduled", *["held order"] * 3]
    await other.pass_time(80)
    await other.work()
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in (*addresses, later)]
    assert await rig.balanced()


async def test_after_an_abandoned_attempt_the_line_waits_until_it_must_have_ended(rig: Rig, short_grace: None) -> None:
    shop = await rig.endpoint("shop", ordered=True, deadline_seconds=5)
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(3, subject="a")
    (free,) = await rig.publish(1)
    await hand.turn("reader")
    await rig.receiver.wait("shop", 2)
    other = await rig.taken_over(hand, planned=False)
    rig.receiver.release("shop")
    await other.work()
    assert await rig.states([*addresses, free], shop) == ["pending", *["held order"] * 2, "delivered"]
    await other.pass_time(4)
    await other.work()
    assert len(rig.receiver.requests) == 3, "only what has no order was sent again"
    await other.pass_time(2.1)
    await other.work()
    assert rig.receiver.ids("shop")[3:] == [address.event_id for address in addresses]
    assert await rig.balanced()


async def test_chains_deleted_from_the_store_are_made_again(rig: Rig) -> None:
    await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    sizes = await schedule.chain_sizes(rig.redis, rig.partitions[0])
    await rig.redis.delete(rig.partitions[0].order)
    other = await rig.taken_over(hand, planned=False)
    assert await schedule.chain_sizes(rig.redis, rig.partitions[0]) == sizes
    await other.pass_time(20)
    await other.work()
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in addresses]
