"""Replays against a real store, a real dispatcher and a real receiver."""

import asyncio

from dispatcher.jobs.timing import NORMAL
from gateway.model.delivery import State
from gateway.model.endpoint import Endpoint
from gateway.store import connection, work
from tests.support.replaying import Station
from tests.support.waiting import until


async def test_fill_brings_exactly_what_a_disabled_endpoint_missed(station: Station) -> None:
    shop = await station.endpoint("shop")
    before = await station.publish(5, "before")
    await station.sink.wait("shop", 5)
    await station.settle()
    await station.switch(shop, "disabled")
    missed = await station.publish(20, "missed")
    await station.settle()
    await station.switch(shop, "enabled")
    after = await station.publish(5, "after")
    await station.sink.wait("shop", 10)
    await station.settle()
    assert sorted(station.sink.ids("shop")) == sorted(before + after)

    done = await station.finish((await station.replay(shop)).id)
    assert (done.status, done.error) == ("completed", None)
    assert (done.total, done.queued) == (20, 20)
    assert sorted(station.sink.ids("shop")) == sorted(before + after + missed)
    assert (await station.sent(done), await station.counted(done, "delivered")) == (20, 20)


async def test_fill_opens_dead_deliveries_again_and_leaves_the_others(station: Station) -> None:
    shop, gone = await station.endpoint("shop"), await station.endpoint("gone")
    station.sink.statuses.update(shop=500, gone=410)
    names = await station.publish(6, "e")
    await until(lambda: len(station.sink.ids("shop")) == 6, 20, "a failed first attempt of each")

    async def ended() -> bool:
        # what was read after the first 410 does not match any more, and has no record at all
        found = [await station.record(name, gone) for name in names]
        return all(record is None or record.state >= State.DEAD for record in found)

    await station.settle()
    await until(ended, 20, "nothing open at the gone endpoint")
    before = [await station.record(name, shop) for name in names]
    assert {record.state for record in before if record} == {State.SCHEDULED}

    station.sink.statuses.clear()
    await station.switch(gone, "enabled")
    left = await station.finish((await station.replay(shop)).id)
    assert (left.status, left.total, await station.sent(left)) == ("completed", 0, 0)
    assert [await station.record(name, shop) for name in names] == before

    attempted = set(station.sink.ids("gone"))
    done = await station.finish((await station.replay(gone)).id)
    assert (done.status, done.total, await station.counted(done, "delivered")) == ("completed", 6, 6)
    assert attempted
    assert set(station.sink.ids("gone")) == set(names)
    after = [await station.record(name, gone) for name in names]
    assert {(record.state, record.run) for record in after if record} == {(State.DELIVERED, done.run)}


async def test_a_dead_delivery_that_dies_again_counts_as_failed(station: Station) -> None:
    gone = await station.endpoint("gone")
    station.sink.statuses["gone"] = 410
    (name,) = await station.publish(1, "e")
    await station.sink.wait("gone", 1)
    await until(lambda: _is_dead(station, name, gone), 20, "a dead letter")
    for count in (2, 3):
        await station.switch(gone, "enabled")
        replay = await station.replay(gone)
        await station.slice(replay.id)
        await station.sink.wait("gone", count)
        await until(lambda: _nothing_ordered(station), 10, "its order carried out")
        assert (await station.sent(replay), await station.counted(replay, "failed")) == (1, 1)
        assert await station.counted(replay, "delivered") == 0
        record = await station.record(name, gone)
        assert record is not None
        assert (record.state, record.run) == (State.DEAD, replay.run)


async def _is_dead(station: Station, name: str, endpoint: Endpoint) -> bool:
    record = await station.record(name, endpoint)
    return record is not None and record.state is State.DEAD


async def test_again_makes_deliveries_of_its_own(station: Station) -> None:
    shop = await station.endpoint("shop")
    names = await station.publish(10, "e")
    await station.sink.wait("shop", 10)
    await station.settle()
    done = await station.finish((await station.replay(shop, mode="again")).id)
    own = [f"{name}:r{done.run}" for name in names]
    assert sorted(station.sink.ids("shop")) == sorted(names + own)
    repeated = [request for request in station.sink.requests if request.id in own]
    assert {request.headers["webhook-original-id"] for request in repeated} == set(names)
    assert {request.headers["webhook-replay"] for request in repeated} == {str(done.run)}
    assert (done.status, done.total, await station.sent(done)) == ("completed", 10, 10)
    twice = await station.finish((await station.replay(shop, mode="again")).id)
    assert len(station.sink.ids("shop")) == 30
    assert twice.run != done.run


async def test_its_patterns_and_times_select(station: Station) -> None:
    await station.publish(3, "early")
    since = await connection.store_ms(station.redis) + 1
    await until(lambda: _later(station, since), 5, "a later millisecond")
    await station.publish(3, "placed")
    await station.publish(3, "paid", type="order.paid")
    await station.publish(3, "user", type="user.created")
    shop = await station.endpoint("shop", event_types=["nothing.yet"])
    await station.settle()
    done = await station.finish((await station.replay(shop, event_types=("order.*",), since_ms=since)).id)
    assert (done.total, len(station.sink.ids("shop"))) == (6, 6)
    assert {name.partition("-")[0] for name in station.sink.ids("shop")} == {"placed", "paid"}
    one = await station.replay(shop, event_types=("user.created", "user.gone"), mode="again", since_ms=since)
    assert (await station.finish(one.id)).total == 3
    none = await station.replay(shop, mode="again", since_ms=since, until_ms=since)
    assert (await station.finish(none.id)).total == 0


async def _later(station: Station, moment: int) -> bool:
    return await connection.store_ms(station.redis) > moment


async def test_a_dry_run_only_counts(station: Station) -> None:
    await station.publish(30, "e")
    shop = await station.endpoint("shop", status="disabled")
    await station.settle()
    counted = await station.finish((await station.replay(shop, dry_run=True)).id)
    assert (counted.status, counted.total, counted.queued) == ("completed", 30, 0)
    assert station.sink.requests == []


async def test_a_rate_is_kept_over_slices(station: Station) -> None:
    await station.publish(16, "e")
    await station.settle()
    shop = await station.endpoint("shop")
    replay = await station.replay(shop, rate=20)
    began = asyncio.get_running_loop().time()
    done = await station.finish(replay.id, NORMAL._replace(slice=0.2))
    assert (done.status, done.total) == ("completed", 16)
    times = sorted(request.at - began for request in station.sink.requests)
    assert len(times) == 16
    # one more for the two ways in which a slice may read the time; a late owner makes it slower, never faster
    assert all(number <= 20 * at + 1 for number, at in enumerate(times))


async def test_a_bounded_number_of_orders_is_outstanding(station: Station) -> None:
    station.most = 5
    shop = await station.endpoint("shop", status="disabled")
    await station.publish(40, "e")
    await station.settle()
    await station.switch(shop, "enabled")
    station.sink.hold = True
    replay = await station.replay(shop)
    token = await station.slice(replay.id, timing=NORMAL._replace(slice=0.5))
    assert token is not None
    assert await work.outstanding(station.redis, station.partitions) == 5
    await station.sink.wait("shop", 5)
    station.sink.release()
    while token is not None:
        token = await station.slice(replay.id, token)
    assert len(set(station.sink.ids("shop"))) == 40


async def test_what_became_of_an_order_without_an_attempt_is_said(station: Station) -> None:
    await station.publish(4, "e")
    await station.settle()
    shop = await station.endpoint("shop")
    replay = await station.replay(shop, mode="again")
    station.sink.hold = True
    token = await station.slice(replay.id, timing=NORMAL._replace(slice=0.3))
    await station.sink.wait("shop", 4)
    station.sink.release()
    await until(lambda: _nothing_ordered(station), 10, "every order carried out")
    for partition in station.partitions:
        await station.redis.hset(partition.replayed, f"{replay.run}:sent", "0")
    await station.slice(replay.id, token or "")
    done = await station.get(replay.id)
    assert done.status == "completed"
    assert done.error is not None
    assert done.error.startswith("4 of 4 deliveries were not attempted")


async def test_an_endpoint_that_is_switched_off_ends_it(station: Station) -> None:
    station.most = 2
    await station.publish(20, "e")
    await station.settle()
    shop = await station.endpoint("shop")
    station.sink.hold = True
    replay = await station.replay(shop)
    token = await station.slice(replay.id, timing=NORMAL._replace(slice=0.2))
    await station.switch(shop, "disabled")
    assert token is not None
    assert await station.slice(replay.id, token) is None
    done = await station.get(replay.id)
    assert (done.status, done.total) == ("failed", 20)
    assert done.error == "endpoint shop is disabled (operator): enable it and start another replay"
    station.sink.release()
    await until(lambda: _nothing_ordered(station), 10, "no order left")
    assert len(station.sink.ids("shop")) == 2


async def _nothing_ordered(station: Station) -> bool:
    return await work.outstanding(station.redis, station.partitions) == 0


async def test_poison_entries_are_passed(station: Station) -> None:
    await station.redis.xadd(station.partitions[0].log, {"x": "garbage"})
    await station.publish(3, "e")
    await station.settle()
    shop = await station.endpoint("shop")
    done = await station.finish((await station.replay(shop)).id)
    assert (done.status, done.total) == ("completed", 3)
