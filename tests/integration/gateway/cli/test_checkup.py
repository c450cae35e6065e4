"""The doctor on a real store: what it reads, and its exit code."""

import io

from redis.asyncio import Redis

from gateway.cli import checkup, doctor
from gateway.cli import console as look
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store import leases
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry
from tests.support.haste import HastyClock

COUNT = 16


class Beating(HastyClock):
    """While the doctor watches, the owners of these leases beat."""

    def __init__(self, redis: Redis, held: list[tuple[PartitionKeys, str]]) -> None:
        super().__init__()
        self._redis = redis
        self._held = held

    async def sleep(self, seconds: float) -> None:
        await leases.beat(self._redis, self._held)
        await super().sleep(seconds)


async def owned(redis: Redis, numbers: range) -> list[tuple[PartitionKeys, str]]:
    """Leases taken by one dispatcher."""
    held = []
    for number in numbers:
        partition = PartitionKeys(number, COUNT)
        [seen] = await leases.peek(redis, [partition])
        taken = await leases.take(redis, partition, "d1", seen)
        assert taken is not None
        held.append((partition, taken.token))
    return held


async def test_nobody_delivers(redis: Redis, settings: Settings) -> None:
    await Registry(redis, SystemClock()).bootstrap(COUNT)
    file, clock = io.StringIO(), HastyClock()
    assert await doctor.doctor(settings, clock, look.make(file)) == 1
    assert "  ok    store        durable" in file.getvalue()
    assert "  risk  dispatchers  none is alive" in file.getvalue()
    assert clock.waits == [checkup.WATCH_SECONDS]
    assert checkup.WATCH_SECONDS > leases.BEAT_SECONDS


async def test_a_living_dispatcher_owns_everything(redis: Redis, settings: Settings) -> None:
    await Registry(redis, SystemClock()).bootstrap(COUNT)
    held = await owned(redis, range(COUNT))
    file = io.StringIO()
    assert await doctor.doctor(settings, Beating(redis, held), look.make(file)) == 0
    assert "1 alive, all 16 partitions owned" in file.getvalue()


async def test_what_is_owned_but_does_not_beat_is_found(redis: Redis, settings: Settings) -> None:
    await Registry(redis, SystemClock()).bootstrap(COUNT)
    held = await owned(redis, range(COUNT))
    facts = await checkup.look(redis, Beating(redis, held[:-1]))
    assert [number for number, partition in enumerate(facts.partitions) if not partition.owned] == [15]


async def test_an_unused_store_is_told_without_waiting(redis: Redis, settings: Settings) -> None:
    file, clock = io.StringIO(), HastyClock()
    assert await doctor.doctor(settings, clock, look.make(file)) == 1
    assert "nothing was ever started on this store" in file.getvalue()
    assert clock.waits == []
