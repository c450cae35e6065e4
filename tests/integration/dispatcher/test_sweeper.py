import pytest
from redis.exceptions import ConnectionError as Disconnected

from dispatcher import lanes, sweeper
from gateway import ids
from gateway.model.endpoint import Endpoint
from gateway.store import leases, schedule, work
from tests.integration.dispatcher.rig import Hand, Rig


async def switch_off(rig: Rig, hand: Hand, endpoint: Endpoint, how: str) -> None:
    """Disable or delete, and let the dispatcher learn of it."""
    if how == "deleted":
        await rig.registry.delete_endpoint(endpoint.id)
    else:
        await rig.switch(endpoint, "disabled")
    await hand.turn("reader", "sweeper")


HOW = pytest.mark.parametrize("how", ["disabled", "deleted"])


@HOW
async def test_scheduled_deliveries_end(rig: Rig, how: str) -> None:
    shop, other = await rig.endpoints(["shop", "other"])
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    rig.receiver.answer("other", 500)
    addresses = await rig.publish(5)
    await hand.work()
    await switch_off(rig, hand, shop, how)
    await hand.settle()
    assert await rig.states(addresses, shop) == [f"skipped endpoint_{how}"] * 5
    assert await rig.states(addresses, other) == ["scheduled"] * 5
    assert await rig.balanced()


@HOW
async def test_what_waits_in_memory_in_a_lane_and_what_runs_and_fails_ends(rig: Rig, how: str) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    laned = await rig.publish(100)
    await hand.work()
    hand.clock.jump(lanes.WAIT_SECONDS * 2)
    await hand.work()
    hand.partitions[0].lane_sizes.clear()
    waiting = await rig.publish(10)
    await hand.turn("reader")
    running = hand.attempts.running
    assert (running, hand.attempts.lanes.waiting) == (rig.settings.max_in_flight, 10)
    await switch_off(rig, hand, shop, how)
    await hand.settle()
    assert await rig.states(laned[running:] + waiting, shop) == [f"skipped endpoint_{how}"] * 46
    rig.receiver.manner("shop").statuses = (500,)
    rig.receiver.release("shop")
    await hand.settle()
    assert await rig.states(laned[:running], shop) == [f"skipped endpoint_{how}"] * running
    assert await rig.done()
    assert await schedule.lane_sizes(rig.redis, rig.partitions[0]) == {}
    assert await rig.balanced()


@HOW
async def test_what_runs_and_succeeds_is_delivered(rig: Rig, how: str) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(3)
    await hand.work()
    await switch_off(rig, hand, shop, how)
    rig.receiver.release("shop")
    await hand.settle()
    assert await rig.states(addresses, shop) == ["delivered"] * 3


async def test_what_was_put_off_and_is_not_in_the_store_yet_ends_too(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.turn("reader")
    await hand.settle()
    partition = hand.partitions[0]
    rig.receiver.answer("shop", 500)
    (address,) = await rig.publish()
    settler = hand._tasks[0]
    settler.cancel()
    await hand.turn("reader")
    while hand.attempts.running:
        await hand.turn("reader")
    assert [delivery.queued for delivery in partition.in_hand.values()] == [1]
    await switch_off(rig, hand, shop, "disabled")
    while partition.has_work():
        await hand.settler.run_once()
    assert await rig.states([address], shop) == ["skipped endpoint_disabled"]


async def test_a_manual_attempt_that_fails_after_the_switch_ends_what_was_open(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    (address,) = await rig.publish()
    await hand.work()
    rig.receiver.manner("shop").hold = True
    await rig.order(address, shop, work.Kind.MANUAL)
    await hand.work()
    await switch_off(rig, hand, shop, "disabled")
    rig.receiver.release("shop")
    await hand.settle()
    assert await rig.states([address], shop) == ["skipped endpoint_disabled"]


async def test_nothing_is_sent_to_an_endpoint_that_is_known_to_be_off(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the change and the sweep, what waits must not go out as slots come free."""
    monkeypatch.setattr(lanes, "STUCK_LOOKS", 1_000_000)
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    addresses = await rig.publish(1_500)
    for _ in range(6):
        await hand.turn("reader")
    sent = hand.attempts.running
    await rig.switch(shop, "disabled")
    await hand.view.refresh()
    rig.receiver.release("shop")
    await hand.settle()
    assert len(rig.receiver.requests) == sent
    assert hand.attempts.lanes.waiting == 0
    read = [state for state in await rig.states(addresses, shop) if state]
    assert set(read) == {"delivered", "skipped endpoint_disabled"}
    assert len(read) >= 256


async def test_a_new_owner_ends_what_the_former_one_did_not(rig: Rig) -> None:
    shop, other = await rig.endpoints(["shop", "other"])
    first = await rig.hand()
    rig.receiver.answer("shop", 500)
    rig.receiver.answer("other", 500)
    addresses = await rig.publish(3)
    await first.work()
    await first.end()
    await rig.switch(shop, "disabled")
    second = await rig.hand()
    second.clock.jump(leases.LEASE_SECONDS + 1)
    await second.turn("membership", "sweeper")
    await second.settle()
    assert await rig.states(addresses, shop) == ["skipped endpoint_disabled"] * 3
    assert await rig.states(addresses, other) == ["scheduled"] * 3


async def test_a_spare_dispatcher_that_takes_over_knows_the_endpoints_made_since_it_started(rig: Rig) -> None:
    """Without partitions it reads nothing, not even the changes of the registry."""
    first = await rig.hand()
    spare = await rig.hand()
    assert spare.partitions == {}
    new = await rig.endpoint("new")
    rig.receiver.answer("new", 500, 200)
    (address,) = await rig.publish()
    await first.work()
    await first.stop()
    await spare.turn("membership", "sweeper", "retries")
    await spare.settle()
    assert list(spare.partitions) == [0]
    assert await rig.states([address], new) == ["scheduled"]
    await spare.pass_time(20)
    await spare.work()
    assert await rig.states([address], new) == ["delivered"]


async def test_a_sweep_goes_on_after_an_error_and_in_bounded_pieces(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeper, "QUEUED_LIMIT", 100)
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.answer("shop", 500)
    addresses: list[ids.Address] = []
    for _ in range(3):
        addresses += await rig.publish(1_000)
        await hand.work()
    await rig.switch(shop, "disabled")
    await hand.turn("reader")
    open_page = schedule.open_page
    calls = 0

    async def breaking(*given: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Disconnected("gone")
        return await open_page(*given)  # type: ignore[arg-type]  # passed on as they are

    monkeypatch.setattr(schedule, "open_page", breaking)
    turns = failures = 0
    while not hand.partitions[0].swept or turns == 0:
        try:
            (report,) = await hand.turn("sweeper")
            assert report.ended <= 700, "a page or two"
        except Disconnected:
            failures += 1
        await hand.settle()
        turns += 1
    assert (failures, turns > 4) == (1, True)
    assert await rig.redis.zcard(rig.partitions[0].open) == 0
    assert set(await rig.states(addresses[::100], shop)) == {"skipped endpoint_disabled"}
    assert await rig.balanced()


async def test_an_endpoint_switched_off_during_a_sweep_is_swept_from_the_start(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "QUEUED_LIMIT", 1)
    shop, other = await rig.endpoints(["shop", "other"])
    hand = await rig.hand()
    for name in ("shop", "other"):
        rig.receiver.answer(name, 500)
    for _ in range(3):
        await rig.publish(500)
        await hand.work()
    await switch_off(rig, hand, shop, "disabled")
    assert not hand.partitions[0].swept
    await rig.switch(other, "disabled")
    await hand.turn("reader")
    while await rig.redis.zcard(rig.partitions[0].open):
        await hand.turn("sweeper")
        await hand.settle()
    assert await rig.balanced()
