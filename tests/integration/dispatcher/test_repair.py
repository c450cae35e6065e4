"""FAULTS 1, row 8: keys are deleted under load; everything is delivered, what has a record is never sent twice."""

from collections.abc import Callable

import pytest

from dispatcher import lanes
from gateway.store import rebuild, schedule
from gateway.store.keys import PartitionKeys, RegistryKeys
from tests.integration.dispatcher.rig import Hand, Rig

pytestmark = pytest.mark.usefixtures("short_grace", "no_breaker")
WORK_KEYS: dict[str, Callable[[PartitionKeys, int], list[str]]] = {
    "open": lambda p, n: [p.open],
    "due": lambda p, n: [p.due],
    "lanes": lambda p, n: [p.lanes],
    "a lane": lambda p, n: [p.lane(n)],
    "all of them and the mark": lambda p, n: [p.open, p.due, p.lanes, p.lane(n), p.dead, p.recorded],
}


async def busy(rig: Rig, hand: Hand) -> int:
    """Some deliveries are scheduled, some in a lane, some in flight; how many events there are."""
    rig.receiver.answer("failing", 500)
    rig.receiver.hold("slow")
    await rig.publish(150)
    await hand.work()
    hand.clock.jump(lanes.WAIT_SECONDS * 2)
    await hand.work()
    sizes = await schedule.lane_sizes(rig.redis, rig.partitions[0])
    assert sum(sizes.values()) == 150 - rig.settings.max_in_flight
    return 150


@pytest.mark.parametrize("name", WORK_KEYS)
@pytest.mark.parametrize("after", ["nothing", "take-over"])
async def test_everything_is_delivered_and_no_record_is_sent_twice(rig: Rig, name: str, after: str) -> None:
    slow = (await rig.endpoints(["failing", "slow"]))[1]
    hand = await rig.hand()
    count = await busy(rig, hand)
    await rig.redis.delete(*WORK_KEYS[name](rig.partitions[0], slow.number))
    rig.receiver.answer("failing", 200)
    later = await rig.publish(20)
    if after == "take-over":
        await hand.membership.leave()
        rig.receiver.release("slow")
        await hand.stop()
        hand = await rig.hand()
        assert not await rebuild.differs(rig.redis, rig.partitions[0])
    else:
        await hand.turn("reader", "repair")
        rig.receiver.release("slow")
    await hand.pass_time(15)
    await hand.work()
    await hand.pass_time(rig.settings.deadline_seconds + 2)
    await hand.work()
    assert await rig.done()
    assert len(rig.receiver.ids("slow")) == count + len(later)
    assert len(rig.receiver.ids("failing")) == 2 * count + len(later)
    assert await rig.redis.get(rig.partitions[0].recorded) == later[-1].stream_id.encode()
    assert await rig.balanced()


async def test_a_mark_deleted_while_nothing_happens_is_written_again(rig: Rig) -> None:
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.work()
    await rig.redis.delete(rig.partitions[0].recorded)
    assert (await hand.turn("repair"))[0] == ([0], 0)
    assert await rig.redis.get(rig.partitions[0].recorded) == address.stream_id.encode()
    assert (await hand.turn("repair"))[0] == ([], 0)
    assert not hand.partitions[0].lost


async def test_a_deleted_change_stream_means_a_full_load(rig: Rig) -> None:
    old = await rig.endpoint("old")
    hand = await rig.hand()
    await rig.publish()
    await hand.work()
    for trim in (False, True):
        if trim:
            await rig.redis.xtrim(RegistryKeys.changes, maxlen=0)
        else:
            await rig.redis.delete(RegistryKeys.changes)
        name = f"new{int(trim)}"
        new = await rig.endpoint(name)
        addresses = await rig.publish(3)
        await hand.work()
        assert await rig.states(addresses, new) == ["delivered"] * 3
        assert await rig.states(addresses, old) == ["delivered"] * 3
    await rig.redis.delete(RegistryKeys.changes)
    await rig.registry.delete_endpoint("old")
    await hand.work()
    assert not hand.view.is_on(old.number)


async def test_a_difference_that_cannot_be_mended_is_worked_on_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.endpoint("failing")
    hand = await rig.hand()
    rig.receiver.answer("failing", 500)
    await rig.publish(3)
    await hand.work()
    await rig.redis.delete(rig.partitions[0].counters)
    rebuilt, original = 0, rebuild.rebuild

    async def counting(*given: object) -> int:
        nonlocal rebuilt
        rebuilt += 1
        return await original(*given)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(rebuild, "rebuild", counting)
    for _ in range(3):
        await hand.turn("repair")
    assert rebuilt == 1
    await rig.redis.delete(rig.partitions[0].due)
    await hand.turn("repair")
    assert rebuilt == 2
    assert await rig.redis.zcard(rig.partitions[0].due) == 3


async def test_a_partition_in_other_hands_is_not_touched(rig: Rig) -> None:
    await rig.endpoint("failing")
    hand = await rig.hand()
    rig.receiver.answer("failing", 500)
    await rig.publish(3)
    await hand.work()
    await rig.redis.hset(rig.partitions[0].lease, "token", "another")
    await rig.redis.delete(rig.partitions[0].due, rig.partitions[0].recorded)
    assert (await hand.turn("repair"))[0].placed == 0
    assert not await rig.redis.exists(rig.partitions[0].due, rig.partitions[0].recorded)
