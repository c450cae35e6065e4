"""Who may go on with a replay, what ends a slice, and what it waits out."""

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from dispatcher.jobs.slices import Signals, Slice, new_token
from dispatcher.jobs.timing import NORMAL
from gateway import tasks
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.store import work
from tests.support.replaying import Station
from tests.support.valkey import ValkeyServer
from tests.support.waiting import until

SHORT = NORMAL._replace(slice=0.3, beat=0.05, retry=0.05)


async def missed(station: Station, count: int) -> tuple[Endpoint, list[str]]:
    """An endpoint that came after so many events."""
    names = await station.publish(count, "e")
    await station.settle()
    return await station.endpoint("shop"), names


async def put_token(station: Station, replay: Replay, token: str) -> None:
    """What the watch does."""
    await station.replays.change(replay.id, lambda read: msgspec.structs.replace(read, token=token))


async def test_a_slice_hands_on_and_a_used_or_foreign_token_does_nothing(station: Station) -> None:
    station.most = 1
    shop, _ = await missed(station, 3)
    station.sink.hold = True
    replay = await station.replay(shop)
    assert await station.slice(replay.id, "foreign", SHORT) is None
    assert (await station.get(replay.id)).status == "queued"
    token = await station.slice(replay.id, "", SHORT)
    after = await station.get(replay.id)
    assert (after.status, after.phase, after.token) == ("running", "send", token)
    assert after.beat > 1
    assert await station.slice(replay.id, "", SHORT) is None
    assert await station.get(replay.id) == after
    assert await station.slice("rpl_missing", "", SHORT) is None


async def test_a_job_that_runs_twice_at_once_is_one_slice(station: Station) -> None:
    shop, names = await missed(station, 40)
    replay = await station.replay(shop, mode="again")
    await asyncio.gather(*(station.finish(replay.id) for _ in range(4)))
    done = await station.get(replay.id)
    assert (done.status, done.total, done.queued, await station.sent(done)) == ("completed", 40, 40, 40)
    assert Counter(station.sink.ids("shop")) == Counter(f"{name}:r{replay.run}" for name in names)


async def test_a_cancelled_replay_orders_nothing_more(station: Station) -> None:
    station.most = 8
    shop, _ = await missed(station, 100)
    station.sink.hold = True
    replay = await station.replay(shop)
    going = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 8)
    await station.replays.change(replay.id, lambda read: msgspec.structs.replace(read, status="cancelled"))
    assert await going is None
    station.sink.release()
    await until(lambda: _nothing_ordered(station), 10, "no order left")
    assert len(station.sink.ids("shop")) == 8
    stored = await station.get(replay.id)
    assert (stored.status, await station.sent(stored)) == ("cancelled", 8)
    assert await station.slice(replay.id, stored.token) is None


async def _nothing_ordered(station: Station) -> bool:
    return await work.outstanding(station.redis, station.partitions) == 0


async def test_a_slice_whose_token_was_given_to_another_ends_and_the_other_makes_up_exactly(station: Station) -> None:
    station.most = 4
    shop, names = await missed(station, 50)
    station.sink.hold = True
    replay = await station.replay(shop)
    old = asyncio.create_task(station.slice(replay.id))
    await station.sink.wait("shop", 4)
    await put_token(station, replay, "next")
    assert await old is None
    station.sink.release()
    token: str | None = "next"
    while token is not None:
        token = await station.slice(replay.id, token)
    done = await station.get(replay.id)
    assert (done.status, done.total, done.queued, await station.sent(done)) == ("completed", 50, 50, 50)
    assert Counter(station.sink.ids("shop")) == Counter(names)


async def test_a_crash_between_an_order_and_its_cursor_repeats_nothing(station: Station) -> None:
    shop, names = await missed(station, 60)
    expected: list[str] = []
    for mode in ("fill", "again"):
        replay = await station.replay(shop, mode=mode)
        expected += [f"{name}:r{replay.run}" for name in names] if mode == "again" else names
        station.sink.hold = True
        crashed = asyncio.create_task(station.slice(replay.id, "", NORMAL._replace(beat=600.0)))
        await station.sink.wait("shop", len(expected) - 30)
        await tasks.end(crashed)
        stored = await station.get(replay.id)
        assert (stored.status, stored.queued) == ("running", 0)
        await put_token(station, replay, "next")
        station.sink.release()
        assert await station.slice(replay.id, "next") is None
        done = await station.get(replay.id)
        assert (done.status, done.queued, await station.sent(done)) == ("completed", 60, 60)
    assert Counter(station.sink.ids("shop")) == Counter(expected)


async def test_a_signal_or_waiting_jobs_end_a_slice_early(station: Station) -> None:
    shop, _ = await missed(station, 5)
    station.sink.hold = True
    replay = await station.replay(shop)
    asked = 0

    async def others_wait() -> bool:
        nonlocal asked
        asked += 1
        return True

    timing = NORMAL._replace(slice=600.0, fair=0.2, beat=0.05)
    for signals in (Signals(lambda: True, others_wait), Signals(lambda: False, others_wait)):
        token = (await station.get(replay.id)).token
        one = Slice(station.redis, station.partitions, station.clock, timing, signals, 4)
        assert await one.run(replay.id, token)
    assert asked > 0


async def test_what_cannot_be_carried_on_fails_by_name(station: Station) -> None:
    shop, _ = await missed(station, 3)
    deleted, bad = await station.replay(shop), await station.replay(shop, event_types=("a.**",))
    assert (await station.finish(bad.id)).error == (
        "internal error: PatternError: 'a.**' is not an event-type pattern: * stands alone or as the last part, "
        "as in order.*"
    )
    await station.registry.delete_endpoint(shop.id)
    done = await station.finish(deleted.id)
    assert (done.status, done.error) == ("failed", "endpoint shop was deleted")


async def test_a_full_store_is_waited_for(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    # without a dispatcher at first, which would make room by letting old events go
    async with Station(valkey_server.url, tmp_path, dispatching=False) as station:
        names = await station.publish(20, "e")
        replay = await station.replay(await station.endpoint("shop", event_types=["nothing.yet"]))
        await station.redis.config_set("maxmemory", 1)
        token = await station.slice(replay.id, "", SHORT)
        assert token is not None
        stored = await station.get(replay.id)
        assert (stored.status, stored.error, stored.total, stored.queued) == ("running", None, 20, 0)
        await station.redis.config_set("maxmemory", "256mb")
        await station.dispatch()
        assert await station.slice(replay.id, token) is None
        assert (await station.get(replay.id)).status == "completed"
        assert sorted(station.sink.ids("shop")) == sorted(names)


async def test_a_store_that_restarts_is_waited_for(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with Station(valkey_server.url, tmp_path) as station:
        station.most = 4
        shop, names = await missed(station, 30)
        replay = await station.replay(shop, rate=50)
        going = asyncio.create_task(station.slice(replay.id))
        await station.sink.wait("shop", 5)
        valkey_server.kill9()
        valkey_server.start()
        assert await going is None
        assert (await station.get(replay.id)).status == "completed"
        assert set(station.sink.ids("shop")) == set(names)


def test_tokens_are_their_own() -> None:
    assert len({new_token() for _ in range(100)}) == 100
