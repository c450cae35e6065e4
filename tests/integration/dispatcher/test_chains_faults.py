"""What could let a later event of an ordering key begin before an earlier one, and what could keep it for ever."""

import asyncio
import dataclasses
from typing import Any

import pytest

from dispatcher import lanes, settler
from gateway import ids
from gateway.model.delivery import chain_of
from gateway.store import schedule, work
from tests.integration.dispatcher.rig import Hand, Rig
from tests.support.waiting import until


async def test_a_wide_event_is_not_overtaken_where_it_has_not_begun(rig: Rig) -> None:
    """The second event is for the last of the endpoints alone; the first one gets there after many others."""
    fields: Any = {"ordered": True, "event_types": ("order.wide",)}
    wide = await rig.endpoints([f"shop{n}" for n in range(200)], **fields)
    wide += await rig.endpoints([f"store{n}" for n in range(100)], subscriber="more", **fields)
    last = await rig.endpoint("last", ordered=True)
    hand = await rig.hand()
    rig.receiver.hold(*(endpoint.id for endpoint in wide))
    first = await rig.publish(1, subject="a", type="order.wide")
    rest = await rig.publish(2, subject="a", type="order.narrow")
    other = await rig.publish(1, subject="b", type="order.narrow")
    await hand.turn("reader")
    await rig.receiver.wait("last", 1)
    assert rig.receiver.ids("last") == [other[0].event_id], "other keys flow"
    rig.receiver.release(*(endpoint.id for endpoint in wide))
    await hand.work()
    assert rig.receiver.ids("last") == [address.event_id for address in (*other, *first, *rest)]
    assert hand.partitions[0].spreading == {}
    assert await rig.states([*first, *rest, *other], last) == ["delivered"] * 4
    assert await rig.balanced()


async def owns(hand: Hand) -> bool:
    await hand.turn("membership")
    return bool(hand.partitions)


async def test_the_next_goes_on_when_a_former_owner_settles_what_it_had_begun(rig: Rig, short_grace: None) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(3, subject="a")
    await hand.turn("reader")
    await rig.receiver.wait("shop", 1)
    leaving = asyncio.create_task(hand.stop())
    other = await rig.hand()
    await until(lambda: owns(other), 10.0, "a hand-over")
    await other.turn("reader", "retries", "retries")
    await other.settler.flush(other.partitions[0])
    assert await rig.states(addresses, shop) == ["pending", *["held order"] * 2]
    rig.receiver.release("shop")
    await leaving
    rig.dispatchers.remove(hand)
    await other.work()
    await other.work()
    assert rig.receiver.ids("shop") == [address.event_id for address in addresses], "long before it was due"
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert other.partitions[0].chains.find(schedule.ChainId(shop.number, chain_of("a"))) is None
    assert await rig.balanced()


async def test_the_next_goes_on_when_a_former_owner_ends_what_a_person_asked_for(rig: Rig, short_grace: None) -> None:
    """The first waits for its next time, in an hour; by hand it is sent once more while its partition goes away."""
    shop = await rig.endpoint("shop", ordered=True, retry_schedule=(3_600,))
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    addresses = await rig.publish(3, subject="a")
    await hand.work()
    rig.receiver.hold("shop")
    assert await rig.order(addresses[0], shop) == "queued"
    await hand.turn("retries")
    await rig.receiver.wait("shop", 2)
    leaving = asyncio.create_task(hand.stop())
    other = await rig.hand()
    await until(lambda: owns(other), 10.0, "a hand-over")
    await other.turn("reader", "retries", "retries")
    rig.receiver.release("shop")
    await leaving
    rig.dispatchers.remove(hand)
    await other.work()
    await other.work()
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in addresses]
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.balanced()


async def abandoned_before_a_line(rig: Rig, hand: Hand) -> list[ids.Address]:
    """The first is under way without a record, those behind it have theirs, and the owner dies."""
    rig.receiver.hold("shop")
    addresses = await rig.publish(3, subject="a")
    await hand.turn("reader")
    await rig.receiver.wait("shop", 1)
    hand.clock.jump(lanes.WAIT_SECONDS + 0.01)
    await hand.turn("retries")
    await hand.settler.flush(hand.partitions[0])
    return addresses


async def test_who_is_first_without_a_record_waits_for_its_abandoned_attempt(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, deadline_seconds=5)
    hand = await rig.hand()
    addresses = await abandoned_before_a_line(rig, hand)
    assert await rig.states(addresses, shop) == ["", *["held order"] * 2]
    other = await rig.taken_over(hand)
    rig.receiver.release("shop")
    await other.work()
    assert await rig.states(addresses, shop) == ["pending", *["held order"] * 2]
    assert len(rig.receiver.requests) == 1
    await other.pass_time(6.1)
    await other.work()
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in addresses]
    assert await rig.balanced()


async def test_nobody_begins_while_it_is_not_settled_who_is_first(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await rig.endpoint("shop", ordered=True, deadline_seconds=5)
    hand = await rig.hand()
    addresses = await abandoned_before_a_line(rig, hand)
    other = await rig.taken_over(hand)
    other.clock.jump(6.1)
    rig.receiver.release("shop")
    await other.turn("membership")
    monkeypatch.setattr(settler, "FLUSH_SECONDS", 3_600)
    await other.turn("reader", "retries")
    monkeypatch.undo()
    assert other.partitions[0].queued == 1, "that the first one is in line"
    assert len(rig.receiver.requests) == 1
    other.clock.jump(3_600)
    await other.turn("membership")
    await other.work()
    assert rig.receiver.ids("shop")[1:] == [address.event_id for address in addresses]
    assert await rig.states(addresses, shop) == ["delivered"] * 3


async def test_what_waits_behind_others_counts_as_held_while_paused(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, hold_limit=4)
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    await rig.change(shop, status="paused")
    one = await rig.publish(3, subject="a")
    other = await rig.publish(3, subject="b")
    await hand.work()
    assert await rig.states(one, shop) == ["held paused", *["held order"] * 2]
    assert await rig.states(other, shop) == ["held paused", *["skipped hold_full"] * 2]
    await rig.change(shop, status="enabled")
    await hand.work()
    assert await rig.states([*one, other[0]], shop) == ["delivered"] * 4
    for address in other[1:]:
        assert await rig.order(address, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    assert await rig.states(other, shop) == ["delivered"] * 3
    assert await rig.balanced()
