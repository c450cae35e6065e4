from typing import Any

import pytest

from dispatcher import lanes, reader
from gateway.model.event import NewEvent
from gateway.store import leases
from tests.integration.dispatcher.rig import Hand, Rig
from tests.support.waiting import until

EVERYTHING = ("*", "hookline.*")
GARBAGE = (
    {b"x": b"garbage"},
    {b"h": b"short"},
    {b"d": b"{}"},
    {b"h": b"\xff" * 64, b"d": b"{}"},
    {b"h": b"0" * 16 + b"\x99" + b"\xa1\xff" * 9, b"d": b"{}"},
    {b"h": b"0" * 16 + b"\xc1", b"d": b"x" * 1_000_000},
)


async def test_an_event_is_delivered_and_recorded(rig: Rig) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    addresses = await rig.publish(3)
    await hand.work()
    assert rig.receiver.ids("shop") == [address.event_id for address in addresses]
    assert await rig.states(addresses, shop) == ["delivered"] * 3
    assert await rig.done()
    assert await rig.balanced()


async def test_an_event_that_nobody_gets_is_recorded_as_such(rig: Rig) -> None:
    await rig.endpoint("shop", event_types=("invoice.*",))
    hand = await rig.hand()
    (address,) = await rig.publish()
    await hand.work()
    assert await rig.redis.xlen(rig.partitions[0].unmatched) == 1
    assert await rig.redis.get(rig.partitions[0].recorded) == address.stream_id.encode()
    assert await rig.balanced()


@pytest.mark.parametrize("fields", GARBAGE, ids=["no fields", "no data", "no header", "noise", "bad text", "1 MB"])
async def test_garbage_among_good_events_is_dead_and_harms_none(rig: Rig, fields: dict[bytes, bytes]) -> None:
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    before = await rig.publish(3)
    poison = await rig.poison(fields)
    after = await rig.publish(3)
    await hand.work()
    assert await rig.states(before + after, shop) == ["delivered"] * 6
    assert await rig.states([poison], reader.NOBODY) == ["dead poison"]
    assert await rig.done()


async def test_a_changed_byte_is_never_sent_and_its_subscriber_is_told(rig: Rig) -> None:
    shop = await rig.endpoint("shop", event_types=EVERYTHING)
    hand = await rig.hand()
    new = NewEvent("/tests", "order.placed", b'{"n":2}')
    changed = await rig.poison({b"h": new.header(), b"d": b'{"n":3}'})
    await hand.work()
    assert rig.receiver.requests == []
    assert await rig.states([changed], shop) == ["dead poison"]
    await hand.turn("operational")
    await hand.work()
    (told,) = rig.receiver.requests
    assert b"hookline.delivery.dead" in told.body
    assert b'"reason":"poison"' in told.body


async def test_a_corrupt_operational_event_causes_no_other(rig: Rig) -> None:
    await rig.endpoint("shop", event_types=EVERYTHING)
    hand = await rig.hand()
    new = NewEvent("/hookline", "hookline.delivery.dead", b"{}", id="op:x:dead", subscriber="shop")
    await rig.poison({b"h": new.header(), b"d": b"[]"})
    await hand.work()
    await hand.turn("operational")
    await hand.work()
    assert await rig.redis.xlen(rig.partitions[0].log) == 1


async def test_an_endpoint_gets_the_event_that_follows_its_creation(rig: Rig) -> None:
    """FAULTS 1, row 22."""
    hand = await rig.hand()
    await hand.work()
    for number in range(200):
        await rig.endpoint(f"new{number}", event_types=(f"t{number}",))
        await rig.publish(type=f"t{number}")
        await hand.turn("reader")
    await hand.work()
    assert {request.name for request in rig.receiver.requests} == {f"new{number}" for number in range(200)}


@pytest.mark.parametrize("what", ["reading_stopped", "released", "lost"])
async def test_what_was_read_while_the_partition_is_given_up_is_left_to_the_next_owner(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """The reply is under way when a hand-over begins; what is begun then would be sent by both owners."""
    await rig.endpoint("shop")
    hand = await rig.hand()
    await rig.publish(5)
    follow = hand.view.follow

    async def given_up_meanwhile(*given: Any) -> None:
        await follow(*given)
        setattr(hand.partitions[0], what, True)

    monkeypatch.setattr(hand.view, "follow", given_up_meanwhile)
    assert (await hand.reader.run_once()).events == 0
    assert hand.attempts.running == 0
    assert hand.partitions[0].cursor == "0-0"


async def test_reading_pauses_while_much_waits_and_the_registry_is_still_followed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "STUCK_LOOKS", 1_000_000)
    shop = await rig.endpoint("shop")
    hand = await rig.hand()
    rig.receiver.hold("shop")
    await rig.publish(1_000)
    while hand.reader.has_room():
        await hand.turn("reader")
    read = hand.partitions[0].cursor
    assert reader.WAITING_LIMIT <= hand.attempts.lanes.waiting < reader.WAITING_LIMIT + reader.READ_COUNT
    await rig.switch(shop, "disabled")
    assert (await hand.reader.run_once()).events == 0
    assert not hand.view.is_on(shop.number)
    assert hand.partitions[0].cursor == read


async def test_a_read_is_sized_by_what_the_memory_still_holds(rig: Rig) -> None:
    hand = await rig.hand()
    assert hand.reader.count(1) == reader.READ_COUNT
    assert hand.reader.count(16) == 16, "the first entries may all be of the largest size"
    await rig.publish(100, data=b'"%b"' % (b"x" * 200_000))
    sizes = []
    for _ in range(4):
        sizes.append((await hand.reader.run_once()).events)
        hand.partitions[0].bytes = 60 * 1_048_576
    assert sizes[0] == 64
    assert all(size * 200_000 <= 4 * 1_048_576 + 200_000 for size in sizes[1:]), sizes


async def test_small_events_are_read_in_large_pages_again(rig: Rig) -> None:
    hand = await rig.hand()
    await rig.publish(300)
    for _ in range(6):
        await hand.turn("reader")
    assert hand.reader.count(16) == reader.READ_COUNT


async def test_a_fan_out_to_many_is_continued_by_the_next_owner(rig: Rig) -> None:
    """600 endpoints are three pieces of the indexes; nothing that has a record is sent again."""
    names = [f"n{number}" for number in range(600)]
    endpoints = []
    for start in range(0, 600, 200):
        endpoints += await rig.endpoints(names[start : start + 200], subscriber=f"s{start}")
    first = await rig.hand()
    rig.receiver.hold(*names[:40])
    (address,) = await rig.publish()
    await first.turn("reader")
    await until(lambda: first.attempts.running == 40, 20, "what is not held is answered")
    await first.settle()
    done = [endpoint for endpoint in endpoints if (await rig.record(address, endpoint)) is not None]
    assert len(done) == 560
    await first.end()
    rig.receiver.release(*names)
    second = await rig.hand()
    second.clock.jump(leases.LEASE_SECONDS + 1)
    await second.turn("membership")
    await second.work()
    assert await rig.done()
    assert {what[0] for what in rig.receiver.repeated()} == set(names[:40])
    assert [await rig.redis.xlen(rig.partitions[0].endpoint_index(e.number)) for e in endpoints] == [1] * 600
    assert await rig.balanced()


async def takes_over(rig: Rig) -> Hand:
    """A second owner after the first one's lease."""
    hand = await rig.hand()
    hand.clock.jump(leases.LEASE_SECONDS + 1)
    await hand.turn("membership")
    return hand


async def test_a_record_wins_over_a_new_match(rig: Rig) -> None:
    """What was recorded before the owner went is neither sent again nor dropped because it matches no more."""
    old, gone = await rig.endpoints(["old", "gone"])
    first = await rig.hand()
    rig.receiver.hold("old")
    (address,) = await rig.publish()
    await first.turn("reader")
    await first.settle()
    await first.end()
    await rig.registry.delete_endpoint(gone.id)
    await rig.endpoint("later")
    rig.receiver.release("old")
    second = await takes_over(rig)
    await second.work()
    assert await rig.states([address], gone) == ["delivered"]
    assert await rig.states([address], old) == ["delivered"]
    assert len(rig.receiver.ids("gone")) == 1
    assert await rig.done()
