import pytest

from dispatcher import retention
from gateway import ids
from gateway.store import durability, log
from gateway.store import retention as store_retention
from tests.integration.dispatcher.rig import Hand, Rig

TURN = retention.PAGES_PER_TURN * store_retention.PAGE


def short_of_memory(monkeypatch: pytest.MonkeyPatch, *shares: float) -> None:
    """What the store says of its memory, in turn, the last for ever."""
    left = list(shares)

    async def memory(*_: object) -> durability.Memory:
        share = left.pop(0) if len(left) > 1 else left[0]
        return durability.Memory(int(share * 1_000), 1_000)

    monkeypatch.setattr(durability, "memory", memory)


async def settled(rig: Rig, hand: Hand, count: int, data: bytes = b"1") -> list[ids.Address]:
    addresses = await rig.publish(count, data=data)
    await hand.work()
    return addresses


async def test_what_is_older_than_the_retention_leaves(rig: Rig) -> None:
    await rig.endpoint("shop")
    hand = await rig.hand()
    await settled(rig, hand, 100)
    assert (await hand.turn("retention"))[0] == (0, 0, 0)
    await hand.pass_time(rig.settings.retention + 1)
    assert (await hand.turn("retention"))[0] == (100, 0, 0)
    assert await rig.redis.xlen(rig.partitions[0].log) == 0
    assert await rig.balanced()


async def test_a_turn_is_bounded(rig: Rig) -> None:
    hand = await rig.hand()
    await settled(rig, hand, TURN + 100)
    await hand.pass_time(rig.settings.retention + 1)
    (report,) = await hand.turn("retention")
    assert report.aged == TURN
    await hand.turn("retention")
    assert await rig.redis.xlen(rig.partitions[0].log) == 0


async def test_large_events_leave_as_fast_as_small_ones(rig: Rig) -> None:
    """A page of them is short: it is bounded in bytes, too."""
    hand = await rig.hand()
    await settled(rig, hand, 12, b'"%b"' % (b"x" * 200_000))
    await hand.pass_time(rig.settings.retention + 1)
    assert (await hand.turn("retention"))[0].aged == 12


async def test_the_oldest_leave_early_while_memory_is_short(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.endpoint("shop")
    hand = await rig.hand()
    addresses = await settled(rig, hand, 3 * TURN)
    short_of_memory(monkeypatch, 0.85, 0.81, 0.79)
    (report,) = await hand.turn("retention")
    assert report.early == 2 * TURN
    assert await log.read(rig.redis, rig.partitions[0], addresses[0]) is None
    assert await log.read(rig.redis, rig.partitions[0], addresses[-1]) is not None
    assert (await hand.turn("retention"))[0].early == 0
    assert await rig.balanced()


async def test_what_is_open_survives_early_trimming_and_is_delivered_from_what_was_kept(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, broken = await rig.endpoints(["shop", "broken"])
    hand = await rig.hand()
    rig.receiver.answer("broken", 500, 500, 500, 200)
    addresses = await settled(rig, hand, 3, b'{"kept":true}')
    short_of_memory(monkeypatch, 0.9)
    await hand.turn("retention")
    assert await rig.redis.xlen(rig.partitions[0].log) == 0
    assert await rig.redis.hlen(rig.partitions[0].kept) == 3
    await hand.pass_time(15)
    await hand.work()
    assert await rig.states(addresses, broken) == ["delivered"] * 3
    assert all(b'{"kept":true}' in request.body for request in rig.receiver.requests)
    (report,) = await hand.turn("retention")
    assert report.kept == 3
    assert await rig.redis.hlen(rig.partitions[0].kept) == 0
    assert await rig.states(addresses, shop) == [""] * 3
    assert await rig.balanced()


async def test_a_kept_event_is_redelivered_and_a_trimmed_one_is_not(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = await rig.endpoint("broken")
    hand = await rig.hand()
    rig.receiver.answer("broken", 500)
    (kept,) = await settled(rig, hand, 1)
    rig.receiver.answer("broken", 200)
    (trimmed,) = await settled(rig, hand, 1)
    short_of_memory(monkeypatch, 0.9)
    await hand.turn("retention")
    assert await rig.order(kept, broken) == "queued"
    assert await rig.order(trimmed, broken) == "missing"
    await hand.work()
    assert await rig.states([kept], broken) == ["delivered"]
    assert await rig.balanced()


async def test_a_delivery_in_hand_is_not_trimmed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    (address,) = await settled(rig, hand, 1)
    rig.receiver.hold("shop")
    await rig.order(address, shop)
    await hand.work()
    short_of_memory(monkeypatch, 0.9)
    await hand.turn("retention")
    rig.receiver.release("shop")
    await hand.settle()
    record = await rig.record(address, shop)
    assert record is not None
    assert record.attempts == 2
    assert await rig.balanced()


async def test_a_lost_partition_is_left_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    hand = await rig.hand()
    await settled(rig, hand, 5)
    hand.partitions[0].lost = True
    short_of_memory(monkeypatch, 0.9)
    assert (await hand.turn("retention"))[0] == (0, 0, 0)
    assert await rig.redis.xlen(rig.partitions[0].log) == 5
