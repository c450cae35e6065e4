"""A replay that live events of an ordered endpoint wait for: order per key, and what comes after it."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from dispatcher.jobs.timing import NORMAL
from gateway import tasks
from gateway.model.delivery import Reason, State
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Mode, Replay
from gateway.store import connection, marks, work
from tests.integration.dispatcher.jobs.test_slices import put_token
from tests.support.replaying import Station
from tests.support.waiting import until

SUBJECTS = ("a", "b", "c")
SHORT = NORMAL._replace(slice=0.3, beat=0.05)


async def behind(station: Station, *subjects: str, **fields: Any) -> tuple[Endpoint, list[str]]:
    """An ordered endpoint that came after one event per subject."""
    names = await station.publish_of(*subjects)
    await station.settle()
    shop = await station.endpoint("shop", ordered=True, **fields)
    await until(lambda: station.knows(shop), 20, "a dispatcher that knows the endpoint")
    return shop, names


async def begin(station: Station, shop: Endpoint, **fields: Any) -> Replay:
    """As the API does, but for the mark, which the slice then puts."""
    return await station.replay(shop, catch_up=True, **{"until_ms": marks.AT_MARK, **fields})


async def mark(station: Station) -> str:
    found = await station.registry.get_endpoint("shop")
    assert found is not None
    return found.catch_up


def came(station: Station, names: list[str]) -> list[str]:
    """Those of the events that came, in the order in which they did, each once."""
    return [name for name in dict.fromkeys(station.sink.ids("shop")) if name in names]


def by_key(names: list[str], of: str, subjects: tuple[str, ...]) -> list[str]:
    return [name for name, subject in zip(names, subjects, strict=True) if subject == of]


@pytest.mark.parametrize("mode", ["fill", "again"])
async def test_of_each_key_one_at_a_time_and_the_live_events_after_them(station: Station, mode: Mode) -> None:
    subjects = (*SUBJECTS * 3, "", "")
    shop, names = await behind(station, *subjects)
    station.sink.hold = True
    replay = await begin(station, shop, mode=mode)
    sent = [f"{name}:r{replay.run}" if mode == "again" else name for name in names]
    token = await station.slice(replay.id, timing=SHORT)
    assert token is not None
    assert sorted(station.sink.ids("shop")) == sorted([*sent[:3], *sent[-2:]])
    live = await station.publish_of(*SUBJECTS, *SUBJECTS)
    await station.settle()
    records = [await station.record(name, shop) for name in live]
    held = [(r.state, r.reason) for r in records if r]
    assert held == [(State.HELD, Reason.PAUSED)] * 3 + [(State.HELD, Reason.ORDER)] * 3
    assert await mark(station) == replay.id

    station.sink.release()
    while token is not None:
        token = await station.slice(replay.id, token)
    done = await station.get(replay.id)
    assert (done.status, done.error, done.total, done.queued) == ("completed", None, 11, 11)
    assert (await station.sent(done), await station.counted(done, "delivered")) == (11, 11)
    await station.sink.wait("shop", 17)
    assert await mark(station) == ""
    assert Counter(station.sink.ids("shop")) == Counter([*sent, *live])
    for key in SUBJECTS:
        wanted = by_key([*sent, *live], key, (*subjects, *SUBJECTS, *SUBJECTS))
        assert came(station, wanted) == wanted


async def test_one_failure_is_enough_where_the_endpoint_says_skip(station: Station) -> None:
    subjects = SUBJECTS * 3
    shop, names = await behind(station, *subjects, on_failure="skip", retry_schedule=(1,))
    failing = {names[0], names[4]}
    station.sink.failing.update(failing)
    done = await station.finish((await begin(station, shop)).id)
    assert (done.status, done.queued, done.error) == ("completed", 9, None)
    for key in SUBJECTS:
        wanted = by_key(names, key, subjects)
        assert came(station, wanted) == wanted
    await until(lambda: _delivered(station, shop, names), 20, "the retries, once nothing waits")
    assert Counter(station.sink.ids("shop")) == Counter([*names, *failing])
    assert await station.counted(done, "delivered") == 9


@pytest.mark.parametrize("mode", ["fill", "again"])
async def test_what_fails_is_retried_before_the_next_of_its_key(station: Station, mode: Mode) -> None:
    subjects = SUBJECTS * 3
    shop, names = await behind(station, *subjects, retry_schedule=(1, 1))
    replay = await begin(station, shop, mode=mode)
    sent = [f"{name}:r{replay.run}" if mode == "again" else name for name in names]
    station.sink.failing.update({sent[0]: 1, sent[4]: 1, sent[8]: 3})
    done = await station.finish(replay.id)
    assert (done.status, done.queued, done.error, await station.sent(done)) == ("completed", 9, None, 9)
    assert (await station.counted(done, "delivered"), await station.counted(done, "failed")) == (8, 1)
    once = {"a": [0, 0, 3, 6], "b": [1, 4, 4, 7], "c": [2, 5, 8, 8, 8]}
    for key in SUBJECTS:
        came_of_key = [name for name in station.sink.ids("shop") if name in by_key(sent, key, subjects)]
        assert came_of_key == [sent[number] for number in once[key]]


async def test_a_pause_meanwhile_is_kept_and_it_goes_on_after_it(station: Station) -> None:
    shop, names = await behind(station, "a", "a", retry_schedule=(1,))
    station.sink.failing.update({names[0]: 1})
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 1)
    await station.change(shop, status="paused", paused_ms=1)
    await until(lambda: _reordered(station), 20, "the retry, which waits as an order")
    await station.change(shop, status="enabled", paused_ms=None)
    await going
    assert (await station.get(replay.id)).status == "completed"
    assert station.sink.ids("shop") == [names[0], *names]


async def _reordered(station: Station) -> bool:
    return await work.outstanding(station.redis, station.partitions) == 1 and not station.sink.failing.total()


async def test_another_owner_goes_on_with_what_was_handed_over(station: Station) -> None:
    shop, names = await behind(station, "a", "a", deadline_seconds=3, retry_schedule=(1,), on_failure="skip")
    station.sink.hold = True
    going = asyncio.create_task(station.slice((await begin(station, shop)).id))
    await station.sink.wait("shop", 1)
    await station.hand_over()
    station.sink.release()
    await going
    assert came(station, names) == names
    await until(lambda: _delivered(station, shop, names), 20, "both delivered")


async def _delivered(station: Station, shop: Endpoint, names: list[str]) -> bool:
    records = [await station.record(name, shop) for name in names]
    return all(record is not None and record.state is State.DELIVERED for record in records)


async def test_what_cannot_be_attempted_lets_the_next_of_its_key_go(station: Station) -> None:
    shop, names = await behind(station, "a", "a", "a")
    station.sink.hold = True
    replay = await begin(station, shop)
    going = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 1)
    gone = await station.address(names[1])
    await station.redis.xdel(station.partitions[gone.partition].log, gone.stream_id)
    station.sink.release()
    assert await going is None
    done = await station.get(replay.id)
    assert (done.status, done.queued, await station.sent(done)) == ("completed", 3, 2)
    assert done.error is not None
    assert done.error.startswith("1 of 3 deliveries were not attempted")
    assert station.sink.ids("shop") == [names[0], names[2]]
    assert await mark(station) == ""


async def test_a_live_event_that_the_replay_selects_too_comes_once_and_nothing_waits_for_it(station: Station) -> None:
    shop, names = await behind(station, "a", "b")
    replay = await begin(station, shop)
    assert await marks.put(station.registry, shop, replay.id)
    live = await station.publish_of("a", "b", "")
    await station.settle()
    done = await station.finish(replay.id)
    assert done.until_ms > (await station.address(live[-1])).ms
    assert (done.status, done.total, done.queued, done.error) == ("completed", 2, 2, None)
    await station.sink.wait("shop", 5)
    assert Counter(station.sink.ids("shop")) == Counter([*names, *live])
    for wanted in ([names[0], live[0]], [names[1], live[1]]):
        assert came(station, wanted) == wanted


async def test_it_ends_with_its_own_end_if_it_has_one(station: Station) -> None:
    shop, names = await behind(station, "a")
    until_ms = (await station.address(names[0])).ms + 1
    await until(lambda: _later(station, until_ms), 5, "a later millisecond")
    late = await station.publish_of("a")
    await station.sink.wait("shop", 1)
    done = await station.finish((await begin(station, shop, mode="again", until_ms=until_ms)).id)
    assert (done.total, done.until_ms) == (1, until_ms)
    assert station.sink.ids("shop") == [*late, f"{names[0]}:r{done.run}"]


async def _later(station: Station, moment: int) -> bool:
    return await connection.store_ms(station.redis) > moment


@pytest.mark.parametrize("mode", ["fill", "again"])
async def test_a_crash_between_orders_and_cursor_repeats_nothing_and_keeps_the_order(
    station: Station, mode: Mode
) -> None:
    subjects = SUBJECTS * 6
    shop, names = await behind(station, *subjects)
    replay = await begin(station, shop, mode=mode)
    sent = [f"{name}:r{replay.run}" if mode == "again" else name for name in names]
    for count in (4, 10, 15):
        await put_token(station, replay, str(count))
        crashed = asyncio.create_task(station.slice(replay.id, str(count), NORMAL._replace(beat=600.0)))
        await station.sink.wait("shop", count)
        await tasks.end(crashed)
    await put_token(station, replay, "last")
    assert await station.slice(replay.id, "last") is None
    done = await station.get(replay.id)
    assert (done.status, done.queued, await station.sent(done)) == ("completed", 18, 18)
    assert Counter(station.sink.ids("shop")) == Counter(sent)
    for key in SUBJECTS:
        wanted = by_key(sent, key, subjects)
        assert came(station, wanted) == wanted


async def test_its_rate_is_kept(station: Station) -> None:
    shop, _ = await behind(station, *SUBJECTS * 4)
    replay = await begin(station, shop, rate=10)
    began = asyncio.get_running_loop().time()
    assert (await station.finish(replay.id, NORMAL._replace(slice=0.4))).status == "completed"
    times = sorted(request.at - began for request in station.sink.requests)
    assert len(times) == 12
    assert all(number <= 10 * at + 1 for number, at in enumerate(times))


async def test_a_bounded_number_of_orders_is_outstanding(station: Station) -> None:
    station.most = 2
    shop, names = await behind(station, *SUBJECTS * 2, "", "", "")
    station.sink.hold = True
    replay = await begin(station, shop)
    token = await station.slice(replay.id, timing=SHORT)
    assert await work.outstanding(station.redis, station.partitions) == 2
    station.sink.release()
    while token is not None:
        token = await station.slice(replay.id, token)
    assert Counter(station.sink.ids("shop")) == Counter(names)
