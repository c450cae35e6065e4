"""Where a replay meets live delivery, another replay, or the beginning of the log."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from dispatcher.jobs.timing import NORMAL
from gateway import ids
from gateway.model.delivery import State
from gateway.model.endpoint import Endpoint
from gateway.store import connection, deliveries, retention, work
from tests.support.replaying import Station
from tests.support.waiting import until


async def test_live_and_replay_meet_at_the_mark_and_make_each_delivery_once(station: Station) -> None:
    first = await station.publish(100, "first")
    await station.settle()
    shop = await station.endpoint("shop")
    until_ms = await connection.store_ms(station.redis) + 700
    replay = await station.replay(shop, until_ms=until_ms)
    going = asyncio.create_task(station.finish(replay.id))
    names = list(first)
    for number in range(60):
        names += await station.publish(10, f"live{number}")
    done = await going
    assert done.status == "completed"
    await station.settle()
    await station.sink.wait("shop", len(names))
    assert Counter(station.sink.ids("shop")) == Counter(names)
    assert done.queued >= 100


async def test_nothing_is_ordered_before_the_mark_has_passed_it(valkey_url: str, tmp_path: Path) -> None:
    async with Station(valkey_url, tmp_path, dispatching=False) as station:
        shop = await station.endpoint("shop")
        names = await station.publish(20, "e")
        again = await station.replay(shop, mode="again")
        token = await station.slice(again.id, timing=NORMAL._replace(slice=0.3))
        assert token is not None
        waits = await station.get(again.id)
        assert (waits.status, waits.phase, waits.total, waits.queued) == ("running", "send", 20, 0)
        assert await work.outstanding(station.redis, station.partitions) == 0
        fill = await station.finish((await station.replay(shop, dry_run=True)).id)
        assert fill.total == 0, "live delivery will make these"
        await station.dispatch()
        while token is not None:
            token = await station.slice(again.id, token)
        await station.sink.wait("shop", 40)
        assert Counter(station.sink.ids("shop")) == Counter([*names, *(f"{name}:r{again.run}" for name in names)])


async def test_two_replays_of_one_endpoint_do_not_repeat_each_other(station: Station) -> None:
    names = await station.publish(60, "e")
    await station.settle()
    shop = await station.endpoint("shop")
    first, second = await station.replay(shop), await station.replay(shop)
    one, two = await asyncio.gather(station.finish(first.id), station.finish(second.id))
    assert (one.status, two.status) == ("completed", "completed")
    assert Counter(station.sink.ids("shop")) == Counter(names)
    assert one.queued + two.queued == 60


async def test_dead_letters_whose_events_left_the_log_are_opened_again(station: Station) -> None:
    shop = await station.endpoint("shop")
    station.sink.statuses["shop"] = 410
    (dead,) = await station.publish(1, "dead")
    await station.sink.wait("shop", 1)
    address = await station.address(dead)
    await until(lambda: _is_in(State.DEAD, station, address, shop), 10, "a dead letter")
    await station.settle()
    partition = station.partitions[address.partition]
    token: Any = await station.redis.hget(partition.lease, "token")
    cut = retention.Cut(address.ms + 1, early=True)
    assert await retention.trim(station.redis, partition, 2, token.decode(), cut, ()) == 1
    assert await station.redis.xlen(partition.log) == 0
    await station.publish(3, "later", type="other.type")
    await station.settle()

    station.sink.statuses.clear()
    await station.switch(shop, "enabled")
    for event_types in (("order.*",), ("order.placed",)):
        counted = await station.finish((await station.replay(shop, event_types=event_types, dry_run=True)).id)
        assert counted.total == 1
    other = await station.finish((await station.replay(shop, since_ms=address.ms + 1)).id)
    assert dead not in station.sink.ids("shop")[1:]
    assert other.total == 3
    done = await station.finish((await station.replay(shop)).id)
    assert (done.status, done.total) == ("completed", 1)
    assert station.sink.ids("shop").count(dead) == 2
    assert await _is_in(State.DELIVERED, station, address, shop)


async def _is_in(state: State, station: Station, address: ids.Address, endpoint: Endpoint) -> bool:
    key = ids.DeliveryKey(*address, endpoint.number)
    (record,) = await deliveries.read(station.redis, station.partitions[key.partition], [key])
    return record is not None and record.state is state
