from dispatcher.loader import Loader, unread
from gateway.model.delivery import Reason
from gateway.model.event import NewEvent
from tests.integration.dispatcher.rig import Rig


async def test_records_and_events_come_in_the_order_asked_each_with_its_fault(rig: Rig) -> None:
    shop, off, gone = await rig.endpoints(["shop", "off", "gone"])
    hand = await rig.hand()
    (good,) = await rig.publish()
    await hand.work()
    new = NewEvent("/tests", "order.placed", b"1")
    changed = await rig.poison({b"h": new.header(), b"d": b"2"})
    garbage = await rig.poison({b"h": b"noise", b"d": b""})
    missing = good._replace(ms=good.ms - 1)
    await rig.switch(off, "disabled")
    await rig.registry.delete_endpoint(gone.id)
    wanted = [
        rig.key(good, shop), rig.key(changed, shop), rig.key(garbage, shop), rig.key(missing, shop),
        rig.key(good, off), rig.key(good, gone),
    ]  # fmt: skip
    loader = Loader(rig.redis, hand.view)
    loaded = await loader.load(hand.partitions[0], wanted)
    assert [one.key for one in loaded] == wanted
    assert [one.record is not None for one in loaded] == [True, False, False, False, True, True]
    assert [one.why_not for one in loaded] == [None, Reason.POISON, Reason.POISON, Reason.EXPIRED, None, None]
    assert loaded[0].event.data == b'{"n":1}'
    assert loaded[2].event == unread(garbage)
    await hand.view.refresh()
    loaded = await loader.load(hand.partitions[0], wanted)
    assert [one.why_not for one in loaded[4:]] == [Reason.ENDPOINT_DISABLED, Reason.ENDPOINT_DELETED]


async def test_an_endpoint_that_seems_off_is_looked_up_first(rig: Rig) -> None:
    hand = await rig.hand()
    (address,) = await rig.publish()
    new = await rig.endpoint("new")
    assert not hand.view.is_on(new.number)
    (loaded,) = await Loader(rig.redis, hand.view).load(hand.partitions[0], [rig.key(address, new)])
    assert loaded.why_not is None


async def test_nothing_wanted_asks_nothing(rig: Rig) -> None:
    hand = await rig.hand()
    assert await Loader(rig.redis, hand.view).load(hand.partitions[0], []) == []
