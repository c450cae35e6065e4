"""Filters without an answer: counted while events are matched, shown once they were reported."""

import msgspec
import pytest
from redis.exceptions import ConnectionError as StoreAway

from dispatcher import filter_errors as module
from dispatcher.filter_errors import FilterErrorNotes
from gateway.model.endpoint import Endpoint
from gateway.store import filter_errors
from tests.integration.dispatcher.rig import Rig


async def filtered(rig: Rig, name: str, text: str) -> Endpoint:
    made = await rig.endpoint(name)
    return await rig.registry.update_endpoint(msgspec.structs.replace(made, filter=text), made.revision)


async def test_what_was_noted_is_reported_once(rig: Rig) -> None:
    times = iter([1_000, 2_000, 3_000])
    notes = FilterErrorNotes(rig.redis, lambda: next(times))
    one, two = await filtered(rig, "one", "data.x"), await filtered(rig, "two", "data.y")
    for endpoint, reason in ((one, "first"), (two, "other"), (one, "second")):
        notes.failed(endpoint, reason)
    assert await notes.run_once() == 2
    assert await notes.run_once() == 0
    assert await filter_errors.read(rig.redis, [one, two]) == {
        one.number: filter_errors.FilterErrors(2, "second", 3_000),
        two.number: filter_errors.FilterErrors(1, "other", 2_000),
    }


async def test_what_could_not_be_reported_is_kept(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = FilterErrorNotes(rig.redis, lambda: 1_000)
    one, two = await filtered(rig, "one", "data.x"), await filtered(rig, "two", "data.y")
    report = filter_errors.report

    async def away(*_: object) -> None:
        notes.failed(one, "meanwhile")
        raise StoreAway

    notes.failed(one, "before")
    notes.failed(two, "before")
    monkeypatch.setattr(filter_errors, "report", away)
    with pytest.raises(StoreAway):
        await notes.run_once()
    monkeypatch.setattr(filter_errors, "report", report)
    await notes.run_once()
    assert await filter_errors.read(rig.redis, [one, two]) == {
        one.number: filter_errors.FilterErrors(2, "meanwhile", 1_000),
        two.number: filter_errors.FilterErrors(1, "before", 1_000),
    }


async def test_what_is_noted_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAXIMUM_ENDPOINTS", 2)
    notes = FilterErrorNotes(rig.redis, lambda: 1)
    for number in range(5):
        notes.failed(Endpoint(f"e{number}", number, "s", "internal", "http://a.example"), "why")
    assert len(notes._notes) == 2


async def test_only_what_a_filter_lets_through_is_delivered(rig: Rig) -> None:
    large = await rig.endpoint("large", filter='data.amount > 100 && subject.startsWith("eu/")')
    broken = await rig.endpoint("broken", filter="data.nothing == 1")
    hostile = await rig.endpoint("hostile", filter="data.l.all(a, data.l.all(b, a + b >= 0))")
    everything = await rig.endpoint("everything")
    hand = await rig.hand()
    values = b",".join(b"%d" % number for number in range(1_500))
    sent = [
        (await rig.publish(subject=subject, data=b'{"amount":%d,"l":[%s]}' % (amount, values)))[0]
        for subject, amount in (("eu/1", 150), ("eu/2", 50), ("us/1", 150))
    ]
    await hand.work()
    assert rig.receiver.ids("large") == [sent[0].event_id]
    assert rig.receiver.ids("broken") == rig.receiver.ids("hostile") == []
    assert len(rig.receiver.ids("everything")) == 3
    assert await rig.states(sent, everything) == ["delivered"] * 3
    await hand.turn("filter errors")
    found = await filter_errors.read(rig.redis, [large, broken, hostile])
    assert {number: errors.times for number, errors in found.items()} == {broken.number: 3, hostile.number: 3}
    assert found[broken.number].last_error.startswith("no such member: nothing")
    assert found[hostile.number].last_error.startswith("it would take too long")
    assert await rig.balanced()


async def test_a_filter_that_changes_holds_for_what_is_published_after(rig: Rig) -> None:
    one = await rig.endpoint("one", filter="data.n > 1")
    hand = await rig.hand()
    await rig.publish()
    await hand.work()
    await rig.change(one, filter="data.n == 1")
    (second,) = await rig.publish()
    await hand.work()
    assert rig.receiver.ids("one") == [second.event_id]
