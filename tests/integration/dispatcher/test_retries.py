import pytest

from dispatcher import lanes, retries
from dispatcher.reader import UNRECORDED
from gateway.model.delivery import Trigger
from gateway.model.event import NewEvent
from gateway.store import schedule, work
from tests.integration.dispatcher.rig import Hand, Rig
from tests.support.waiting import until


async def test_a_failure_is_tried_again_when_it_is_due_and_not_before(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    (address,) = await rig.publish()
    await hand.work()
    record = await rig.record(address, shop)
    assert record is not None
    assert 8_000 <= record.due_ms - record.changed_ms <= 12_000
    await hand.pass_time((record.due_ms - hand.time.now_ms()) / 1_000 - 0.5)
    await hand.work()
    assert len(rig.receiver.requests) == 1
    await hand.pass_time(0.6)
    await hand.work()
    assert [request.attempt for request in rig.receiver.requests] == [1, 2]
    assert [attempt.trigger for attempt in await rig.attempts(address, shop)] == [Trigger.FIRST, Trigger.SCHEDULE]
    assert await rig.states([address], shop) == ["delivered"]
    assert await rig.balanced()


async def test_the_end_of_the_schedule_is_a_dead_letter(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(1, 2))
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    (address,) = await rig.publish()
    for _ in range(3):
        await hand.work()
        await hand.pass_time(5)
    await hand.work()
    assert await rig.states([address], shop) == ["dead exhausted"]
    assert len(rig.receiver.requests) == 3
    assert await rig.redis.zcard(rig.partitions[0].dead) == 1
    assert await rig.balanced()


async def test_the_record_and_not_the_queue_says_when(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    (address,) = await rig.publish()
    await hand.work()
    await rig.redis.zadd(rig.partitions[0].due, {rig.key(address, shop).packed(): 1})
    await hand.work()
    assert len(rig.receiver.requests) == 1
    assert await rig.states([address], shop) == ["scheduled"]


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_a_floor(rig: Rig, status: int) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", status, 200, headers="retry-after: 600\r\n")
    (address,) = await rig.publish()
    await hand.work()
    record = await rig.record(address, shop)
    assert record is not None
    assert record.due_ms - record.changed_ms == 600_000
    await hand.pass_time(590)
    await hand.work()
    assert len(rig.receiver.requests) == 1
    await hand.pass_time(11)
    await hand.work()
    assert len(rig.receiver.requests) == 2


async def test_the_wall_clock_does_not_make_a_retry_early(rig: Rig) -> None:
    await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    await rig.publish()
    await hand.work()
    for seconds in (600.0, -3_600.0):
        hand.clock.set_wall(seconds)
        await hand.work()
    assert len(rig.receiver.requests) == 1


async def hanging(rig: Rig, hand: Hand, count: int) -> None:
    """Publish to an endpoint that holds everything, until nothing of it waits in memory."""
    rig.receiver.hold("slow")
    await rig.publish(count, type="slow.event")
    await hand.work()
    hand.clock.jump(lanes.WAIT_SECONDS * 2)
    await hand.work()


async def test_a_slow_endpoint_gets_a_lane_and_holds_nobody_up(rig: Rig) -> None:
    slow = await rig.endpoint("slow", event_types=("slow.*",))
    quick = await rig.endpoint("quick", event_types=("quick.*",))
    hand = await rig.hand()
    await hanging(rig, hand, 200)
    assert hand.attempts.running == rig.settings.max_in_flight
    assert hand.attempts.lanes.waiting == 0
    sizes = await schedule.lane_sizes(rig.redis, rig.partitions[0])
    assert sizes == {slow.number: 200 - rig.settings.max_in_flight}
    addresses = await rig.publish(300, type="quick.event")
    await hand.work()
    assert await rig.states(addresses, quick) == ["delivered"] * 300
    rig.receiver.release("slow")
    await hand.work()
    assert await rig.done()
    assert not rig.receiver.repeated()
    assert await schedule.lane_sizes(rig.redis, rig.partitions[0]) == {}
    assert await rig.balanced()


async def test_a_lane_keeps_the_order_and_new_events_join_its_end(rig: Rig) -> None:
    slow = await rig.endpoint("slow", event_types=("slow.*",))
    hand = await rig.hand()
    await hanging(rig, hand, 100)
    later = await rig.publish(10, type="slow.event")
    await hand.work()
    assert await rig.states(later, slow) == ["pending"] * 10
    held = rig.receiver.ids("slow")
    rig.receiver.release("slow")
    await hand.work()
    drained = rig.receiver.ids("slow")[len(held) :]
    assert drained == sorted(drained)
    assert drained[-10:] == [address.event_id for address in later]


async def test_the_lanes_of_all_partitions_go_on(four: Rig) -> None:
    """The first partition does not take every slot that comes free."""
    slow = await four.endpoint("slow")
    hand = await four.hand()
    four.receiver.hold("slow")
    addresses = [address for number in range(4) for address in await four.publish(400, number)]
    await hand.work()
    hand.clock.jump(lanes.WAIT_SECONDS * 2)
    await hand.work()
    for _ in range(10):
        four.receiver.release("slow")
        four.receiver.hold("slow")
        await hand.settle()
        await hand.turn("retries")
    delivered = [
        a.partition
        for a, state in zip(addresses, await four.states(addresses, slow), strict=True)
        if state == "delivered"
    ]
    assert min(delivered.count(number) for number in range(4)) > 0, delivered


async def test_the_mark_moves_although_one_attempt_hangs(rig: Rig) -> None:
    slow = await rig.endpoint("slow", event_types=("slow.*",))
    hand = await rig.hand()
    rig.receiver.hold("slow")
    (address,) = await rig.publish(type="slow.event")
    await rig.publish(3)
    await hand.work()
    assert not await rig.recorded()
    hand.clock.jump(retries.RUNNING_SECONDS + 0.1)
    await hand.work()
    assert await rig.recorded()
    assert await rig.states([address], slow) == ["pending"]
    rig.receiver.release("slow")
    await hand.work()
    assert await rig.states([address], slow) == ["delivered"]
    assert rig.receiver.ids("slow") == [address.event_id]
    assert await schedule.lane_sizes(rig.redis, rig.partitions[0]) == {}
    assert await rig.balanced()


async def test_a_step_of_the_wall_clock_makes_nobody_slow(rig: Rig) -> None:
    await rig.endpoint("slow")
    hand = await rig.hand()
    rig.receiver.hold("slow")
    await rig.publish()
    await hand.work()
    hand.clock.set_wall(600)
    assert hand.retries.defer_slow() == 0


async def test_what_is_due_for_a_busy_endpoint_joins_its_lane(rig: Rig) -> None:
    slow = await rig.endpoint("slow", event_types=("slow.*",))
    hand = await rig.hand()
    rig.receiver.answer("slow", 500)
    failed = await rig.publish(5, type="slow.event")
    await hand.work()
    rig.receiver.answer("slow", 200)
    await hanging(rig, hand, 100)
    await hand.pass_time(20)
    await hand.turn("retries")
    for partition in hand.partitions.values():
        await hand.settler.flush(partition)
    assert await rig.states(failed, slow) == ["pending"] * 5
    assert await rig.redis.zcard(rig.partitions[0].due) == 0


async def test_what_is_due_of_a_replay_that_live_events_wait_for_holds_nobody_up(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, max_in_flight=300)
    await rig.switch(shop, "disabled")
    missed = await rig.publish(300)
    hand = await rig.hand()
    await hand.work()
    await rig.switch(shop, "enabled")
    await rig.change(shop, catch_up="rpl_1")
    rig.receiver.answer("shop", 500)
    for some in (missed[:150], missed[150:]):
        wanted = [rig.key(address, shop) for address in some]
        await work.order(rig.redis, rig.partitions[0], wanted, work.Kind.FILL, 1)
    await hand.work()
    assert await rig.states(missed, shop) == ["scheduled"] * 300
    other = await rig.endpoint("other", retry_schedule=(20,))
    rig.receiver.answer("other", 500, 200)
    (address,) = await rig.publish(type="other.event")
    await rig.change(shop, max_in_flight=1)
    await hand.work()
    rig.receiver.hold("shop")
    await hand.pass_time(30)
    await hand.work()
    assert await rig.states([address], other) == ["delivered"]


async def test_lanes_that_are_all_in_hand_are_not_read(rig: Rig) -> None:
    endpoints = []
    for start in range(0, 1_000, 250):
        names = [f"n{number}" for number in range(start, start + 250)]
        endpoints += await rig.endpoints(names, subscriber=f"s{start}")
        rig.receiver.hold(*names)
    hand = await rig.hand()
    await rig.publish()
    await hand.work()
    for _ in range(1_000 // UNRECORDED + 1):
        hand.clock.jump(retries.RUNNING_SECONDS + 0.1)
        await hand.work()
    assert len(await schedule.lane_sizes(rig.redis, rig.partitions[0])) == 1_000
    before = (await rig.redis.info("stats"))["total_commands_processed"]
    await hand.turn("retries")
    assert (await rig.redis.info("stats"))["total_commands_processed"] - before < 20


async def test_poison_among_what_is_due_harms_no_other(rig: Rig) -> None:
    """An entry that became unreadable, or whose bytes changed, after its first attempt."""
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", *[500] * 5, 200)
    good = await rig.publish(3)
    new = NewEvent("/tests", "order.placed", b'{"n":1}')
    spoilt = [await rig.poison({b"h": new.header(), b"d": new.data}) for _ in range(2)]
    await hand.work()
    log = rig.partitions[0].log
    await rig.redis.delete(log)
    for address in good:
        await rig.redis.xadd(log, {b"h": new.header(), b"d": new.data}, id=address.stream_id)
    await rig.redis.xadd(log, {b"h": b"noise", b"d": new.data}, id=spoilt[0].stream_id)
    await rig.redis.xadd(log, {b"h": new.header(), b"d": b'{"n":2}'}, id=spoilt[1].stream_id)
    await hand.pass_time(15)
    await hand.work()
    assert await rig.states(good, shop) == ["delivered"] * 3
    assert await rig.states(spoilt, shop) == ["dead poison"] * 2
    assert {request.body for request in rig.receiver.requests if b'{"n":2}' in request.body} == set()


async def test_what_is_due_of_an_event_that_is_gone_ends(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    (address,) = await rig.publish()
    await hand.work()
    await rig.redis.xdel(rig.partitions[0].log, address.stream_id)
    await hand.pass_time(15)
    await hand.work()
    assert await rig.states([address], shop) == ["skipped expired"]


async def test_an_endpoint_enabled_a_moment_ago_gets_what_is_due(rig: Rig) -> None:
    """The view may be half a second old: nothing is ended on its word."""
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500, 200)
    (address,) = await rig.publish()
    await hand.work()
    await rig.switch(shop, "disabled")
    await hand.view.refresh()
    await rig.switch(shop, "enabled")
    await hand.pass_time(15)
    await hand.turn("retries")
    await until(lambda: len(rig.receiver.requests) == 2, 5)
    await hand.settle()
    assert await rig.states([address], shop) == ["delivered"]
