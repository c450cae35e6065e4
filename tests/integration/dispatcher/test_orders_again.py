"""Orders of a replay about what it has opened before, and orders that come before the news of their endpoint."""

from typing import Any

from gateway.model.delivery import Trigger
from gateway.store import work
from tests.integration.dispatcher.rig import Rig, described


async def counted(rig: Rig, name: str) -> int:
    value: Any = await rig.redis.hget(rig.partitions[0].replayed, name)
    return int(value or 0)


async def test_a_replay_that_its_endpoint_catches_up_with_goes_on_by_the_schedule_with_what_is_held(rig: Rig) -> None:
    shop = await rig.endpoint("shop", ordered=True, retry_schedule=(10, 60))
    await rig.switch(shop, "disabled")
    (address,) = await rig.publish(subject="a")
    hand = await rig.hand()
    await hand.work()
    await rig.switch(shop, "enabled")
    await rig.change(shop, catch_up="rpl_1")
    rig.receiver.answer("shop", 500)
    for failures, seconds in ((1, 20), (2, 100)):
        assert await rig.order(address, shop, work.Kind.FILL, 1) == "queued"
        await hand.work()
        record = await rig.record(address, shop)
        assert record is not None
        assert (described(record), record.failures) == ("scheduled", failures)
        assert await rig.order(address, shop, work.Kind.FILL, 1) == "kept"
        await rig.change(shop, status="paused")
        await hand.work()
        await hand.pass_time(seconds)
        await hand.work()
        await rig.change(shop, status="enabled")
        await hand.work()
        assert await rig.states([address], shop) == ["held paused"]
    assert await rig.order(address, shop, work.Kind.FILL, 1) == "queued"
    await hand.work()
    assert await rig.states([address], shop) == ["dead exhausted"]
    assert [await counted(rig, f"1:{name}") for name in ("sent", "delivered", "failed")] == [1, 0, 1]
    assert [a.trigger for a in await rig.attempts(address, shop)] == [Trigger.REPLAY] * 3
    assert await rig.balanced()


async def test_an_order_that_comes_before_the_news_of_its_endpoint_is_obeyed_on_its_terms(rig: Rig) -> None:
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.work()
    shop = await rig.endpoint("shop", ordered=True, retry_schedule=(7,), max_in_flight=1)
    assert await rig.order(address, shop, work.Kind.FILL, 1) == "queued"
    await hand.turn("retries")
    await hand.settle()
    terms = hand.attempts.lanes.queue(shop.number).terms
    assert (terms.ordered, terms.schedule, terms.max_in_flight) == (True, (7,), 1)
