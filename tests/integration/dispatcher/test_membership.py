import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import membership
from gateway.model.delivery import Record, State
from gateway.model.endpoint import Endpoint
from gateway.store import leases, work
from gateway.store.keys import RegistryKeys
from tests.integration.dispatcher.rig import Hand, Rig

pytestmark = pytest.mark.usefixtures("short_grace")


async def balance(*hands: Hand) -> None:
    """Turns until the partitions are shared."""
    for _ in range(6):
        for hand in hands:
            await hand.turn("membership")


async def lease(rig: Rig, number: int = 0) -> leases.Lease:
    return (await leases.peek(rig.redis, [rig.partitions[number]]))[0]


async def test_the_first_takes_everything_and_the_second_its_share(four: Rig) -> None:
    first = await four.hand()
    assert sorted(first.partitions) == [0, 1, 2, 3]
    assert first.attempts.lanes.queue(1).share == four.settings.max_in_flight
    second = await four.hand()
    await balance(first, second)
    assert (len(first.partitions), len(second.partitions)) == (2, 2)
    assert {*first.partitions, *second.partitions} == {0, 1, 2, 3}
    assert (
        first.attempts.lanes.queue(1).share == second.attempts.lanes.queue(1).share == four.settings.max_in_flight // 2
    )


async def test_one_partition_is_handed_over_at_a_time(four: Rig) -> None:
    first = await four.hand()
    await four.hand()
    reports = [(await first.turn("membership"))[0] for _ in range(4)]
    assert [len(report.released) for report in reports] == [1, 1, 0, 0]


async def test_a_live_lease_is_never_stolen(rig: Rig) -> None:
    first, second = await rig.hand(), await rig.hand()
    for _ in range(20):
        first.clock.jump(leases.BEAT_SECONDS)
        second.clock.jump(leases.BEAT_SECONDS)
        await first.turn("membership")
        await second.turn("membership")
        assert len(first.partitions) + len(second.partitions) == 1


async def test_after_a_kill_the_lease_and_the_member_are_given_up_together(four: Rig) -> None:
    """Both are watched at once: one lease time, not two."""
    first, second = await four.hand(), await four.hand()
    await balance(first, second)
    await first.end()
    second.clock.jump(leases.LEASE_SECONDS - 0.1)
    await second.turn("membership")
    assert len(second.partitions) == 2
    second.clock.jump(0.2)
    await second.turn("membership")
    assert len(second.partitions) == 4
    members = await four.redis.hkeys(RegistryKeys.members)
    assert members == [second.member.encode()]


async def test_a_beat_of_another_keeps_its_lease_whatever_our_clock_says(four: Rig) -> None:
    owner, other = await four.hand(), await four.hand()
    await balance(owner, other)
    mine = set(owner.partitions)
    for _ in range(5):
        other.clock.jump(leases.LEASE_SECONDS - 1)
        owner.clock.jump(leases.BEAT_SECONDS)
        (report,) = await owner.turn("membership")
        assert report.lost == []
        await other.turn("membership")
    assert set(owner.partitions) == mine


async def test_an_owner_without_beats_starts_nothing_and_its_settle_is_refused(rig: Rig) -> None:
    """FAULTS 1, row 10."""
    shop = await rig.endpoint("shop")
    stale = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(5)
    await stale.work()
    stale.clock.jump(leases.SAFE_SECONDS + 1)
    assert not stale.membership.is_fresh()
    await rig.publish(5)
    await stale.turn("reader", "retries")
    assert stale.attempts.running == 5
    new = await rig.hand()
    new.clock.jump(leases.LEASE_SECONDS + 1)
    await new.turn("membership")
    await new.turn("reader")
    rig.receiver.release("shop")
    await new.work()
    await stale.settle()
    assert stale.partitions[0].lost
    (report,) = await stale.turn("membership")
    assert report.lost == [0]
    assert await rig.states(addresses, shop) == ["delivered"] * 5
    assert {request.attempt for request in rig.receiver.requests} == {1}
    assert len(rig.receiver.requests) == 15
    assert await rig.balanced()


async def test_a_lost_lease_key_is_noticed_at_the_next_beat(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    await rig.redis.delete(rig.partitions[0].lease)
    await hand.pass_time(leases.BEAT_SECONDS)
    addresses = await rig.publish(3)
    await hand.work()
    assert await rig.states(addresses, shop) == ["delivered"] * 3


async def test_a_hand_over_repeats_nothing_while_receivers_hang(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    first = await rig.hand()
    rig.receiver.hold("shop")
    running = await rig.publish(10)
    await first.work()
    await first.membership.leave()
    assert first.partitions == {}
    assert (await lease(rig)).owner == ""
    assert await rig.states(running, shop) == ["pending"] * 10
    record = await rig.record(running[0], shop)
    assert record is not None
    wait_ms = record.due_ms - first.time.now_ms()
    assert wait_ms > (rig.settings.deadline_seconds + 1) * 1_000 - 500
    second = await rig.hand()
    await second.work()
    assert len(rig.receiver.requests) == 10
    rig.receiver.release("shop")
    await first.attempts.finish()
    for partition in first.settler.retiring:
        await first.settler.flush(partition)
    assert await rig.states(running, shop) == ["delivered"] * 10
    await second.pass_time(rig.settings.deadline_seconds + 2)
    await second.work()
    assert not rig.receiver.repeated()
    assert await rig.balanced()


async def test_what_the_former_owner_did_not_finish_is_sent_after_its_deadline(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    first = await rig.hand()
    rig.receiver.hold("shop")
    (address,) = await rig.publish()
    await first.work()
    await first.membership.leave()
    await first.end()
    rig.receiver.release("shop")
    second = await rig.hand()
    await second.work()
    second.clock.jump(rig.settings.deadline_seconds + 0.5)
    await second.turn("membership")
    await second.work()
    assert len(rig.receiver.requests) == 1
    await second.pass_time(1)
    await second.work()
    assert [request.attempt for request in rig.receiver.requests] == [1, 1]
    assert await rig.states([address], shop) == ["delivered"]
    assert await rig.balanced()


async def test_nothing_new_is_started_while_a_partition_is_given_up(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(200)
    for _ in range(4):
        await hand.turn("reader")
    started = hand.attempts.running
    hand.partitions[0].reading_stopped = True
    rig.receiver.release("shop")
    await hand.attempts.idle.wait()
    assert len(rig.receiver.requests) == started
    await hand.membership.hand_over([0])
    read = [state for state in await rig.states(addresses, shop) if state]
    assert read == ["delivered"] * started + ["pending"] * (len(read) - started)
    assert len(read) > started


async def hand_over_while_held(rig: Rig, hand: Hand, endpoint: Endpoint, kind: work.Kind, run: int) -> Record:
    """Order a delivery that has ended, hand over while the attempt hangs; the record that the next owner finds."""
    (address,) = await rig.publish()
    await hand.work()
    rig.receiver.manner("shop").hold = True
    assert await rig.order(address, endpoint, kind, run) == "queued"
    await hand.work()
    await hand.membership.hand_over([0])
    assert await rig.redis.hlen(rig.partitions[0].work) == 0
    record = await rig.record(address, endpoint, run if kind is work.Kind.AGAIN else 0)
    assert record is not None
    rig.receiver.manner("shop").statuses = (500,)
    rig.receiver.release("shop")
    await hand.attempts.finish()
    for partition in hand.settler.retiring:
        await hand.settler.flush(partition)
    return record


async def test_a_manual_attempt_that_runs_in_a_hand_over_leaves_delivered_delivered(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    found = await hand_over_while_held(rig, hand, shop, work.Kind.MANUAL, 0)
    assert found.state is State.DELIVERED
    (address,) = {request.id for request in rig.receiver.requests}
    after = await rig.record(rig.address(address), shop)
    assert after is not None
    assert (after.state, after.attempts, after.status) == (State.DELIVERED, 2, 500)
    assert await rig.balanced()


async def test_a_replay_that_runs_in_a_hand_over_keeps_its_run_and_its_new_schedule(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(100,))
    hand = await rig.hand()
    rig.receiver.answer("shop", 200)
    found = await hand_over_while_held(rig, hand, shop, work.Kind.AGAIN, 9)
    assert (found.state, found.run, found.failures) == (State.PENDING, 9, 0)
    after = await rig.record(rig.address(rig.receiver.requests[0].id), shop, run=9)
    assert after is not None
    assert (after.state, after.run, after.failures, after.attempts) == (State.SCHEDULED, 9, 1, 1)
    assert await rig.redis.hgetall(rig.partitions[0].replayed) == {b"9:sent": b"1"}
    assert await rig.balanced()


async def test_a_release_that_fails_leaves_no_partition_that_nobody_reads(
    four: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await four.hand()
    await four.hand()
    release = leases.release

    async def breaking(*given: object) -> bool:
        raise Disconnected("gone")

    monkeypatch.setattr(leases, "release", breaking)
    with pytest.raises(Disconnected):
        await first.turn("membership")
    monkeypatch.setattr(leases, "release", release)
    assert [partition.lost for partition in first.partitions.values()].count(True) == 1
    (report,) = await first.turn("membership")
    assert len(report.lost) == 1
    assert not any(partition.reading_stopped for partition in first.partitions.values())


async def test_members_that_are_gone_are_struck_off_and_those_that_live_are_not(four: Rig) -> None:
    first, second = await four.hand(), await four.hand()
    await four.redis.hset(RegistryKeys.members, "ghost", 5)
    await balance(first, second)
    for _ in range(8):
        for hand in (first, second):
            hand.clock.jump(leases.BEAT_SECONDS)
            await hand.turn("membership")
    members = await four.redis.hkeys(RegistryKeys.members)
    assert set(members) == {first.member.encode(), second.member.encode()}
    await balance(first, second)
    assert len(first.partitions) + len(second.partitions) == 4


async def test_the_grace_ends_when_nothing_runs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "GRACE_SECONDS", 60.0)
    hand = await rig.hand()
    before = hand.clock.monotonic()
    await hand.membership.hand_over([0])
    assert hand.clock.monotonic() - before < 10


async def test_a_wide_event_is_handed_over_in_the_middle_and_nothing_is_repeated(rig: Rig) -> None:
    names = [f"n{number}" for number in range(600)]
    endpoints = []
    for start in range(0, 600, 200):
        endpoints += await rig.endpoints(names[start : start + 200], subscriber=f"s{start}")
    first = await rig.hand()
    rig.receiver.hold(*names)
    (address,) = await rig.publish()
    await first.turn("reader")
    await first.settle()
    begun = first.attempts.running
    assert 0 < begun < 600
    await first.membership.leave()
    assert not await rig.recorded()
    rig.receiver.release(*names)
    await first.stop()
    second = await rig.hand()
    await second.work()
    assert await rig.done()
    assert not rig.receiver.repeated()
    assert len(rig.receiver.requests) == 600
    assert await rig.states([address], endpoints[-1]) == ["delivered"]
    assert await rig.balanced()
