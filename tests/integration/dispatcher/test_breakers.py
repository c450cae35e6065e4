"""A breaker opens after many failures in a row, one owner probes, and a success closes it for everybody."""

from dispatcher import breakers as module
from gateway.model.delivery import Trigger
from gateway.store import breakers
from tests.integration.dispatcher.rig import Hand, Rig
from tests.support.waiting import until

COUNT = module.FAILURES
LONG = (3_600, 3_600)


async def opened(rig: Rig, hand: Hand, number: int) -> None:
    """Fail until the breaker of an endpoint is open."""
    rig.receiver.answer("shop", 500)
    for partition in range(len(rig.partitions)):
        await rig.publish(COUNT, partition)
    await hand.work()
    assert hand.breakers.is_open(number)


async def test_many_failures_in_a_row_hold_what_comes_and_a_probe_lets_it_go(rig: Rig) -> None:
    shop, other = await rig.endpoints(["shop", "other"], retry_schedule=LONG)
    hand = await rig.hand()
    await opened(rig, hand, shop.number)
    addresses = await rig.publish(30)
    await hand.work()
    assert len(rig.receiver.ids("shop")) == COUNT
    assert await rig.states(addresses, shop) == ["held breaker"] * 30
    assert await rig.states(addresses, other) == ["delivered"] * 30
    assert await rig.balanced()
    rig.receiver.answer("shop", 200)
    rig.receiver.hold("shop")
    await hand.pass_time(2)
    await hand.turn("breakers", "retries")
    await rig.receiver.wait("shop", COUNT + 1)
    await hand.work()
    assert len(rig.receiver.ids("shop")) == COUNT + 1, "one probe and no more"
    rig.receiver.release("shop")
    await hand.work()
    assert not hand.breakers.is_open(shop.number)
    assert await breakers.read(rig.redis) == {}
    assert await rig.states(addresses, shop) == ["delivered"] * 30
    triggers = [(await rig.attempts(address, shop))[0].trigger for address in addresses]
    assert triggers == [Trigger.PROBE, *[Trigger.FIRST] * 29]
    assert await rig.balanced()


async def test_a_retry_that_is_due_is_held_too_and_is_not_lost(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=(5, 5))
    hand = await rig.hand()
    await opened(rig, hand, shop.number)
    open_until = (await breakers.read(rig.redis))[shop.number].next_ms
    await breakers.swap(
        rig.redis, shop.number, (await breakers.read(rig.redis))[shop.number],
        breakers.Breaker(1, open_until + 3_600_000),
    )  # fmt: skip
    await hand.pass_time(10)
    await hand.work()
    assert len(rig.receiver.requests) == COUNT
    await breakers.swap(rig.redis, shop.number, (await breakers.read(rig.redis))[shop.number], None)
    rig.receiver.answer("shop", 200)
    await hand.work()
    assert len(rig.receiver.requests) == 2 * COUNT
    assert await rig.done()
    assert await rig.balanced()


async def test_a_probe_that_fails_makes_the_next_one_wait_longer(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=LONG)
    hand = await rig.hand()
    await opened(rig, hand, shop.number)
    await rig.publish(5)
    await hand.work()
    waits = []
    for trips in range(3):
        breaker = (await breakers.read(rig.redis))[shop.number]
        assert breaker.trips == trips
        waits.append((breaker.next_ms - hand.time.now_ms()) / 1_000)
        await hand.pass_time(waits[-1] + 0.01)
        await hand.work()
        await hand.work()
        assert len(rig.receiver.requests) == COUNT + trips + 1
    assert waits[0] < 1.3
    assert 1.4 < waits[1] < 2.5
    assert 3.1 < waits[2] < 4.9


async def test_of_two_owners_one_probes_and_both_go_on(four: Rig) -> None:
    shop = await four.endpoint("shop", retry_schedule=LONG)
    one, other = await four.hand(), await four.hand()
    for _ in range(4):
        for hand in (one, other):
            await hand.turn("membership")
    assert len(one.partitions) == len(other.partitions) == 2
    await opened(four, one, shop.number)
    await other.work()
    assert other.breakers.is_open(shop.number)
    sent = len(four.receiver.requests)
    for partition in range(4):
        await four.publish(3, partition)
    await one.work()
    await other.work()
    assert len(four.receiver.requests) == sent
    four.receiver.answer("shop", 200)
    four.receiver.hold("shop")
    for hand in (one, other):
        await hand.pass_time(2)
    for hand in (one, other, one, other):
        await hand.turn("reader", "breakers", "retries")
    await four.receiver.wait("shop", sent + 1)
    for hand in (one, other):
        await hand.turn("breakers", "retries")
    assert len(four.receiver.requests) == sent + 1
    four.receiver.release("shop")
    for hand in (one, other, one, other):
        await hand.work()
    assert len(four.receiver.requests) == sent + 12 + 2 * COUNT, "what the other one held before, too"
    assert await four.balanced()


async def test_a_prober_that_died_is_replaced(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=LONG, deadline_seconds=3)
    hand = await rig.hand()
    await opened(rig, hand, shop.number)
    await rig.publish(2)
    await hand.work()
    before = (await breakers.read(rig.redis))[shop.number]
    until_ms = hand.time.now_ms() + 5_000
    assert await breakers.swap(rig.redis, shop.number, before, before._replace(holder=b"someone!", next_ms=until_ms))
    await hand.turn("reader")
    await hand.pass_time(3)
    await hand.work()
    assert len(rig.receiver.requests) == COUNT
    rig.receiver.answer("shop", 200)
    await hand.pass_time(3)
    await hand.work()
    assert await breakers.read(rig.redis) == {}


async def test_enabling_an_endpoint_closes_its_breaker(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=LONG)
    hand = await rig.hand()
    await opened(rig, hand, shop.number)
    await rig.switch(shop, "disabled")
    await rig.switch(shop, "enabled")
    await hand.turn("reader", "breakers")
    assert not hand.breakers.is_open(shop.number)
    assert await breakers.read(rig.redis) == {}


async def test_a_success_in_between_starts_the_count_anew(rig: Rig) -> None:
    shop = await rig.endpoint("shop", retry_schedule=LONG, max_in_flight=1)
    hand = await rig.hand()
    rig.receiver.answer("shop", *[500] * (COUNT - 1), 200, *[500] * (COUNT - 1), 200)
    await rig.publish(2 * COUNT)
    await hand.work()
    assert not hand.breakers.is_open(shop.number)
    assert await breakers.read(rig.redis) == {}


async def test_the_loops_of_a_process_do_it_by_themselves(rig: Rig) -> None:
    await rig.endpoint("shop", retry_schedule=(1, 1, 1, 1))
    dispatcher = await rig.dispatch()
    rig.receiver.answer("shop", *[500] * (COUNT + 5), 200)
    await rig.publish(2 * COUNT)
    await until(lambda: bool(dispatcher.breakers._open), 10.0, "an open breaker")
    await rig.wait_done()
    assert await breakers.read(rig.redis) == {}
    assert await rig.balanced()
