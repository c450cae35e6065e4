"""What waits in the store is loaded as slots come free: limits and rates over owners, caps, changes of policy."""

import dataclasses

import pytest

from dispatcher import lanes
from gateway.model.endpoint import Rate
from gateway.store import schedule, work
from tests.integration.dispatcher.rig import Hand, Rig


async def two(four: Rig) -> list[Hand]:
    """Two dispatchers that own two partitions each."""
    hands = [await four.hand(), await four.hand()]
    for _ in range(4):
        for hand in hands:
            await hand.turn("membership")
    assert [len(hand.partitions) for hand in hands] == [2, 2]
    return hands


async def everywhere(four: Rig, each: int, **fields: str) -> None:
    for partition in range(4):
        await four.publish(each, partition, **fields)


async def test_a_limit_in_flight_is_shared_by_its_owners(four: Rig, no_breaker: None) -> None:
    await four.endpoint("shop", max_in_flight=6)
    hands = await two(four)
    four.receiver.hold("shop")
    await everywhere(four, 10)
    for hand in hands:
        await hand.turn("reader")
        hand.clock.jump(lanes.WAIT_SECONDS + 0.01)
        await hand.turn("retries", "retries")
    await four.receiver.wait("shop", 6)
    assert [hand.attempts.running for hand in hands] == [3, 3]
    four.receiver.release("shop")
    for hand in (*hands, *hands):
        await hand.work()
    assert await four.done()
    assert four.receiver.repeated() == {}


async def test_a_rate_is_shared_by_its_owners(four: Rig) -> None:
    await four.endpoint("shop", rate=Rate(4.0, burst=4))
    hands = await two(four)
    await everywhere(four, 10)
    for hand in hands:
        await hand.work()
    assert len(four.receiver.requests) == 4, "two of the burst each"
    for seconds in range(1, 4):
        for hand in hands:
            await hand.pass_time(1.0)
            await hand.work()
        assert 4 <= len(four.receiver.requests) - 4 * seconds <= 6
    assert await four.balanced()


async def test_a_storm_of_429_narrows_the_window_and_it_opens_again(rig: Rig, no_breaker: None) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(1,) * 12, max_in_flight=32)
    hand = await rig.hand()
    queue = hand.attempts.lanes.queue(shop.number)
    rig.receiver.answer("shop", 429)
    await rig.publish(64)
    for _ in range(6):
        await hand.work()
        await hand.pass_time(2.0)
    assert queue.window == 1.0
    rig.receiver.hold("shop")
    await hand.turn("retries")
    assert hand.attempts.running == 1, "one at a time while it says so"
    rig.receiver.answer("shop", 200)
    rig.receiver.release("shop")
    for _ in range(3):
        await hand.work()
        await hand.pass_time(2.0)
    assert await rig.done()
    assert 1 < queue.slots() < 32, "carefully where it was too much before"
    await rig.publish(1_000)
    await hand.work()
    assert queue.slots() == 32


async def test_a_cap_counts_what_is_held_in_all_partitions_of_an_owner(four: Rig) -> None:
    four.settings = dataclasses.replace(four.settings, hold_limit=8)
    shop = await four.endpoint("shop")
    hands = await two(four)
    await four.change(shop, status="paused")
    busy, *others = hands[0].partitions
    held = await four.publish(5, busy)
    for hand in hands:
        await hand.work()
    assert await four.states(held, shop) == ["held paused"] * 4 + ["skipped hold_full"], "half of it is this owner's"
    (other,) = others
    more = await four.publish(1, other)
    far = await four.publish(1, next(iter(hands[1].partitions)))
    for hand in hands:
        await hand.work()
    assert await four.states(more, shop) == ["skipped hold_full"]
    assert await four.states(far, shop) == ["held paused"]
    assert await four.balanced()


async def test_an_endpoint_that_is_ordered_no_more_and_again(rig: Rig, no_breaker: None) -> None:
    """What stands in line goes on one at a time; what comes meanwhile does not join it."""
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    line = await rig.publish(3, subject="a")
    await hand.work()
    await rig.change(shop, ordered=False)
    free = await rig.publish(2, subject="a")
    await hand.work()
    assert await rig.states([*line, *free], shop) == ["scheduled", *["held order"] * 2, *["delivered"] * 2]
    await rig.change(shop, ordered=True)
    later = await rig.publish(2, subject="a")
    await hand.work()
    assert await rig.states(later, shop) == ["held order"] * 2
    await hand.pass_time(20)
    await hand.work()
    wanted = [address.event_id for address in (*free, *line, *later)]
    assert rig.receiver.ids("shop")[1:] == wanted
    assert await rig.redis.zcard(rig.partitions[0].order) == 0
    assert await rig.balanced()


async def test_from_skip_to_block_who_stepped_aside_stays_there(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, on_failure="skip")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    aside = await rig.publish(2, subject="a")
    await hand.work()
    assert await rig.states(aside, shop) == ["scheduled"] * 2
    await rig.change(shop, on_failure="block")
    line = await rig.publish(2, subject="a")
    await hand.work()
    assert await rig.states(line, shop) == ["scheduled", "held order"]
    rig.receiver.answer("shop", 200)
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([*aside, *line], shop) == ["delivered"] * 4
    began = rig.receiver.ids("shop")
    assert began.index(line[1].event_id) > max(at for at, i in enumerate(began) if i == line[0].event_id)


@pytest.mark.parametrize("how", ["deleted", "disabled"])
async def test_what_is_parked_in_memory_ends_with_its_endpoint(rig: Rig, how: str) -> None:
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(5, subject="a")
    await hand.turn("reader")
    await rig.receiver.wait("shop", 1)
    assert hand.partitions[0].chains.parked == 4
    if how == "deleted":
        await rig.registry.delete_endpoint(shop.id)
    else:
        await rig.switch(shop, "disabled")
    await hand.turn("reader", "sweeper")
    rig.receiver.release("shop")
    await hand.work()
    await hand.turn("sweeper")
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered", *[f"skipped endpoint_{how}"] * 4]
    assert len(rig.receiver.requests) == 1
    assert hand.partitions[0].chains.find(schedule.ChainId(shop.number, 0)) is None
    assert await rig.done()
    assert await rig.balanced()


async def test_a_replay_brings_who_found_its_line_full(rig: Rig) -> None:
    rig.settings = dataclasses.replace(rig.settings, order_limit=2)
    shop = await rig.endpoint("shop", ordered=True)
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    (first,) = await rig.publish(1, subject="a")
    await hand.work()
    second, third, fourth = await rig.publish(3, subject="a")
    await hand.work()
    assert await rig.states([second, third, fourth], shop) == ["held order", *["skipped hold_full"] * 2]
    for address in (third, fourth):
        assert await rig.order(address, shop, work.Kind.FILL, run=1) == "queued"
    await hand.work()
    assert await rig.states([first, second, third, fourth], shop) == [
        "scheduled", "held order", "delivered", "delivered",
    ]  # fmt: skip
    assert rig.receiver.requests[-1].headers["webhook-trigger"] == "replay"
    await hand.pass_time(20)
    await hand.work()
    assert await rig.states([first, second], shop) == ["delivered"] * 2
    assert await rig.balanced()


async def test_a_hand_over_waits_for_as_long_as_the_endpoint_says(rig: Rig, short_grace: None) -> None:
    quick, slow = await rig.endpoint("quick", deadline_seconds=3), await rig.endpoint("slow", deadline_seconds=60)
    hand = await rig.hand()
    rig.receiver.hold("quick", "slow")
    (address,) = await rig.publish()
    await hand.turn("reader")
    await rig.receiver.wait("slow", 1)
    before_ms = hand.time.now_ms()
    await hand.membership.hand_over([0])
    waits = []
    for endpoint in (quick, slow):
        record = await rig.record(address, endpoint)
        assert record is not None
        waits.append((record.due_ms - before_ms) // 1_000)
    assert waits[0] in range(4, 7)
    assert waits[1] in range(61, 64)


async def test_an_endpoint_that_frees_no_slot_costs_no_read_of_the_others(rig: Rig) -> None:
    shop, other = await rig.endpoint("shop", max_in_flight=1), await rig.endpoint("other")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(20)
    await hand.turn("reader")
    hand.clock.jump(lanes.WAIT_SECONDS + 0.01)
    await hand.work()
    assert await rig.states(addresses[1:], shop) == ["pending"] * 19
    assert await rig.states(addresses, other) == ["delivered"] * 20
    assert hand.backlog.waits(hand.partitions[0])
    (report,) = await hand.turn("retries")
    assert report.loaded == 0
