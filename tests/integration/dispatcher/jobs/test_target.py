"""The mark of an endpoint while a replay goes on, and whatever happens to either of them meanwhile."""

import asyncio
from typing import Any

import msgspec
import pytest

from dispatcher.jobs.target import ReplayFailed, Target
from dispatcher.jobs.timing import NORMAL
from gateway.model.delivery import Reason, State
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay, ReplayStatus
from gateway.store import marks, work
from tests.integration.dispatcher.jobs.test_in_order import begin, behind, mark
from tests.support.replaying import Station
from tests.support.waiting import until

QUICK = NORMAL._replace(beat=0.02)


async def marked_by(station: Station, shop: Endpoint, replay_id: str) -> None:
    read = await station.registry.get_endpoint(shop.id)
    assert read is not None
    assert await marks.put(station.registry, read, replay_id)


async def ended(station: Station, replay_id: str, status: ReplayStatus) -> None:
    await station.replays.change(replay_id, lambda read: msgspec.structs.replace(read, status=status))


async def test_a_crash_before_the_mark_is_made_up_for_by_the_slice(station: Station) -> None:
    shop, names = await behind(station, "a", "a")
    station.sink.hold = True
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 1)
    assert await mark(station) == replay.id
    stored = await station.get(replay.id)
    assert stored.until_ms > (await station.address(names[-1])).ms
    station.sink.release()
    assert await going is None
    assert (await mark(station), station.sink.ids("shop")) == ("", names)


async def test_a_mark_that_was_lost_is_put_again(station: Station) -> None:
    shop, _ = await behind(station, "a", "a")
    station.sink.hold = True
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id, "", QUICK))
    await station.sink.wait("shop", 1)
    await marked_by(station, shop, "")
    await until(lambda: _is_marked(station, replay), 20, "the mark")
    station.sink.release()
    await going
    assert (await mark(station), (await station.get(replay.id)).status) == ("", "completed")


async def _is_marked(station: Station, replay: Replay) -> bool:
    return await mark(station) == replay.id


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"status": "disabled", "disabled_reason": "gone"},
         "endpoint shop is disabled (gone): enable it and start another replay"),
        ({"ordered": False}, "endpoint shop is not ordered any more: start a replay without catch_up"),
        (None, "endpoint shop was deleted"),
    ],
)  # fmt: skip
async def test_an_endpoint_that_changes_meanwhile_ends_it_and_keeps_no_mark(
    station: Station, change: dict[str, Any] | None, error: str
) -> None:
    shop, _ = await behind(station, "a", "a", "a")
    station.sink.hold = True
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id, "", QUICK))
    await station.sink.wait("shop", 1)
    if change is None:
        await station.registry.delete_endpoint(shop.id)
    else:
        await station.change(shop, **change)
    assert await going is None
    station.sink.release()
    done = await station.get(replay.id)
    assert (done.status, done.error) == ("failed", error)
    left = await station.registry.get_endpoint(shop.id)
    assert left is None or left.catch_up == ""
    await until(lambda: _nothing_ordered(station), 10, "no order left")
    assert len(station.sink.ids("shop")) == 1


async def _nothing_ordered(station: Station) -> bool:
    return await work.outstanding(station.redis, station.partitions) == 0


async def test_cancelling_ends_the_wait_even_if_who_cancelled_it_has_crashed(station: Station) -> None:
    shop, names = await behind(station, "a", "a", "a")
    station.sink.hold = True
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 1)
    live = await station.publish_of("a", "")
    await station.settle()
    record = await station.record(live[0], shop)
    assert record is not None
    assert (record.state, record.reason) == (State.HELD, Reason.PAUSED)
    await ended(station, replay.id, "cancelled")
    assert await going is None
    assert await mark(station) == ""
    station.sink.release()
    await station.sink.wait("shop", 3)
    assert sorted(station.sink.ids("shop")) == sorted([names[0], *live])
    assert await _nothing_ordered(station)


@pytest.mark.parametrize("status", ["running", "completed", None])
async def test_of_two_that_want_one_endpoint_the_first_has_it_until_it_ends(
    station: Station, status: ReplayStatus | None
) -> None:
    shop, names = await behind(station, "a")
    first, second = await begin(station, shop), await begin(station, shop)
    await marked_by(station, shop, first.id if status else "rpl_gone")
    if status is not None:
        await ended(station, first.id, status)
    done = await station.finish(second.id)
    if status == "running":
        assert (done.status, done.error) == ("failed", f"live events of endpoint shop wait for replay {first.id}")
        assert (await mark(station), station.sink.ids("shop")) == (first.id, [])
    else:
        assert (done.status, await mark(station), station.sink.ids("shop")) == ("completed", "", names)


async def test_a_replay_that_nobody_waits_for_marks_nothing(station: Station) -> None:
    shop, names = await behind(station, "a")
    await marked_by(station, shop, "rpl_other")
    target = Target(station.redis, station.clock, station.replays)
    for fields in ({}, {"catch_up": True, "dry_run": True}):
        replay = await station.replay(shop, **fields)
        assert (await target.check(replay)).catch_up == "rpl_other"
        await target.release(replay)
        assert await mark(station) == "rpl_other"
    assert (await station.finish((await station.replay(shop)).id)).status == "completed"
    assert (await mark(station), station.sink.ids("shop")) == ("rpl_other", names)


async def test_an_endpoint_that_keeps_changing_fails_it(station: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, _ = await behind(station, "a")
    put = marks.put

    async def beaten(registry: Any, read: Endpoint, replay_id: str) -> bool:
        await station.change(shop, description=f"{read.revision}")
        return await put(registry, read, replay_id)

    monkeypatch.setattr(marks, "put", beaten)
    target, replay = Target(station.redis, station.clock, station.replays), await begin(station, shop)
    with pytest.raises(ReplayFailed, match="keeps changing"):
        await target.check(replay)
    assert await mark(station) == ""
