"""A deployment without its processes: a registry, and leases whose owners beat while the doctor watches."""

from collections.abc import Sequence

from redis.asyncio import Redis

from gateway.clock import SystemClock
from gateway.store import leases
from gateway.store.keys import PartitionKeys
from gateway.store.members import Members
from gateway.store.registry import Registry
from tests.support.haste import HastyClock

COUNT = 4
PARTITIONS = [PartitionKeys(number, COUNT) for number in range(COUNT)]
KEY = "k1:" + "A" * 43 + "="


class Beating(HastyClock):
    """While the doctor watches, these leases and members beat."""

    def __init__(
        self, redis: Redis, held: Sequence[tuple[PartitionKeys, str]] = (), names: Sequence[str] = ("d1",)
    ) -> None:
        super().__init__()
        self._redis, self.held, self._names = redis, held, names

    async def sleep(self, seconds: float) -> None:
        await leases.beat(self._redis, self.held)
        for name in self._names:
            await Members(self._redis, SystemClock()).beat(name)
        await super().sleep(seconds)


async def owned(redis: Redis, numbers: range = range(COUNT)) -> list[tuple[PartitionKeys, str]]:
    """Leases taken by one dispatcher, `d1`."""
    held = []
    for number in numbers:
        partition = PARTITIONS[number]
        [seen] = await leases.peek(redis, [partition])
        taken = await leases.take(redis, partition, "d1", seen)
        assert taken is not None
        held.append((partition, taken.token))
    return held


async def begin(redis: Redis) -> Registry:
    """The registry of a deployment that has started."""
    registry = Registry(redis, SystemClock())
    await registry.bootstrap(COUNT)
    return registry
