import asyncio

import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import lanes, membership
from dispatcher.partition import BATCH_ITEMS
from gateway.model.delivery import Record, State
from gateway.store import deliveries, leases, scripts
from tests.integration.dispatcher.rig import Hand, Rig
from tests.support.waiting import until


async def read_and_send(hand: Hand, count: int) -> None:
    """Without settling: the settler's loop is stopped first."""
    hand._tasks[0].cancel()
    await hand.turn("reader")
    await until(lambda: hand.partitions[0].queued == count, 5)


async def test_what_has_ended_is_settled_in_bounded_batches(rig: Rig) -> None:
    await rig.endpoints([f"n{number}" for number in range(50)])
    hand = await rig.hand()
    address, *_ = await rig.publish(4)
    await read_and_send(hand, 200)
    assert await hand.settler.run_once() == (1, 0)
    assert hand.partitions[0].queued == 200 - BATCH_ITEMS
    assert await rig.redis.hlen(rig.partitions[0].records(address.ms // 60_000)) == BATCH_ITEMS
    assert not await rig.recorded()
    await hand.settler.run_once()
    assert await rig.recorded()
    assert await hand.settler.run_once() == (0, 0)


@pytest.mark.parametrize("applied", [True, False], ids=["reply lost", "never arrived"])
async def test_a_call_without_an_answer_is_sent_again_as_it_was(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    addresses = await rig.publish(10)
    await read_and_send(hand, 10)
    run_all = scripts.run_all
    sent: list[object] = []

    async def breaking(redis: object, calls: object) -> object:
        sent.append(calls)
        if applied:
            await run_all(redis, calls)  # type: ignore[arg-type]  # passed on as they are
        raise Disconnected("gone")

    monkeypatch.setattr(scripts, "run_all", breaking)
    assert await hand.settler.run_once() == (0, 1)
    assert await hand.settler.run_once() == (0, 1)
    assert sent[0] == sent[1]
    monkeypatch.setattr(scripts, "run_all", run_all)
    assert await hand.settler.run_once() == (1, 0)
    assert not hand.partitions[0].lost
    assert await rig.states(addresses, shop) == ["delivered"] * 10
    assert await rig.redis.hget(rig.partitions[0].timing, "count") == b"10"
    assert await rig.balanced()


async def test_two_changes_of_one_delivery_survive_a_lost_reply(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one call the repetition would find the second record and take the first change for refused."""
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(3)
    hand._tasks[0].cancel()
    await hand.turn("reader")
    await until(lambda: rig.receiver.held == 3, 5)
    hand.clock.jump(lanes.WAIT_SECONDS + 3)
    hand.retries.defer_slow()
    rig.receiver.release("shop")
    await until(lambda: hand.partitions[0].queued == 6, 5)
    run_all = scripts.run_all

    async def lossy(redis: object, calls: object) -> object:
        await run_all(redis, calls)  # type: ignore[arg-type]  # passed on as they are
        return await run_all(redis, calls)  # type: ignore[arg-type]  # as above

    monkeypatch.setattr(scripts, "run_all", lossy)
    while hand.partitions[0].has_work():
        await hand.settler.run_once()
    assert not hand.partitions[0].lost
    assert hand.partitions[0].in_hand == {}
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.balanced()


async def test_a_contradiction_gives_the_partition_up_and_it_is_read_again(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    (address,) = await rig.publish()
    await hand.work()
    other = deliveries.Settle(rig.partitions[0], hand.partitions[0].token, deliveries.START)
    delivered = Record(State.DELIVERED, attempts=1, status=299, changed_ms=1)
    other.transition(deliveries.Transition(rig.key(address, shop), None, delivered))
    await other.send(rig.redis)
    rig.receiver.release("shop")
    await until(lambda: hand.partitions[0].lost, 5)
    await hand.pass_time(leases.BEAT_SECONDS)
    assert not hand.partitions[0].lost
    await hand.work()
    record = await rig.record(address, shop)
    assert record == delivered
    assert len(rig.receiver.requests) == 1
    assert await rig.recorded()


async def test_what_cannot_be_packed_gives_one_partition_up_and_stops_no_other(four: Rig) -> None:
    shop = await four.endpoint("shop")
    hand = await four.hand()
    for number in range(4):
        await four.publish(2, number)
    hand._tasks[0].cancel()
    await hand.turn("reader")
    await until(lambda: sum(partition.queued for partition in hand.partitions.values()) == 8, 5)
    broken = hand.partitions[2]._queue[0]
    impossible = Record(State.DELIVERED, attempts=70_000)
    hand.partitions[2]._queue[0] = broken._replace(change=broken.change._replace(after=impossible))
    assert await hand.settler.run_once() == (3, 0)
    assert [partition.lost for partition in hand.partitions.values()] == [False, False, True, False]
    hand._tasks.append(asyncio.create_task(hand.settler.run(), name="settler"))
    await hand.pass_time(3)
    await hand.work()
    assert await four.done()
    assert {what[0] for what in four.receiver.repeated()} <= {shop.id}
    assert await four.balanced()


async def test_the_loop_outlives_the_store(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    run_all, failures = scripts.run_all, 0

    async def breaking(redis: object, calls: object) -> object:
        nonlocal failures
        failures += 1
        if failures < 4:
            hand.clock.jump(1)
            raise Disconnected("gone")
        return await run_all(redis, calls)  # type: ignore[arg-type]  # passed on as they are

    addresses = await rig.publish(5)
    monkeypatch.setattr(scripts, "run_all", breaking)
    await hand.work()
    assert failures >= 4
    assert await rig.states(addresses, shop) == ["delivered"] * 5


async def test_a_partition_that_cannot_be_settled_does_not_keep_the_hand_over_for_ever(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "FLUSH_SECONDS", 0.2)
    await rig.endpoint("shop")
    hand = await rig.hand()
    (address, *_) = await rig.publish(3)
    await rig.redis.set(rig.partitions[0].records(address.ms // 60_000), "no hash")
    await hand.turn("reader")
    await until(lambda: hand.attempts.running == 0, 5)
    await hand.membership.hand_over([0])
    assert hand.partitions[0].lost
