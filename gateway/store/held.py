"""What waits for one endpoint now: how many deliveries, and the oldest of them.

A delivery waits in its endpoint's lane, or in the chain of its ordering key, or in both; one that has a due time waits
for that instead. Lanes and chains of all partitions are counted, not listed, so that 100,000 held deliveries cost what
ten do. Who stands in both is found by their records, of the first `LANE_LOOK` of a lane; what is behind these is taken
as chained.
"""

import asyncio
import dataclasses
from collections.abc import Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import delivery_list, keys, scripts

CHAINS = 256
"""Chains that one call of the script looks at."""
ROUNDS = 40
"""Calls for one partition; what is scheduled in chains beyond is counted as waiting."""
LANE_LOOK = 2_048
_PAGE = 512


class Held(NamedTuple):
    """`deliveries` is how many; `oldest` by acceptance, None when nothing waits."""

    deliveries: int
    oldest: ids.DeliveryKey | None


@dataclasses.dataclass(slots=True)
class _Partition:
    """What was counted of one partition; `cursor` None when every chain was looked at."""

    keys: keys.PartitionKeys
    lane: int = 0
    chained: int = 0
    scheduled: int = 0
    oldest: list[bytes] = dataclasses.field(default_factory=list)
    cursor: bytes | None = b""

    def call(self, endpoint: int) -> tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]:
        names = (self.keys.lane(endpoint), self.keys.order, self.keys.due)
        return scripts.load("held"), names, (endpoint.to_bytes(4, "big"), self.cursor or b"", CHAINS)

    def add(self, answer: Any) -> None:
        if isinstance(answer, BaseException):
            raise answer
        self.lane, first, self.chained, scheduled, oldest, last = answer
        self.scheduled += scheduled
        self.oldest += [key for key in (first, oldest) if key]
        self.cursor = last or None


async def count(redis: Redis, partitions: Sequence[keys.PartitionKeys], endpoint: int) -> Held:
    """Count what waits for the endpoint of that number. Raises redis errors."""
    found = [_Partition(partition) for partition in partitions]
    left = found
    for _ in range(ROUNDS):
        answers = await scripts.run_all(redis, [one.call(endpoint) for one in left])
        for one, answer in zip(left, answers, strict=True):
            one.add(answer)
        left = [one for one in left if one.cursor is not None]
        if not left:
            break
    counts = await asyncio.gather(*(_waiting(redis, partitions, one, endpoint) for one in found))
    oldest = (ids.unpack_key(key, one.keys.number) for one in found for key in one.oldest)
    return Held(sum(counts), min(oldest, default=None))


async def _waiting(redis: Redis, partitions: Sequence[keys.PartitionKeys], one: _Partition, endpoint: int) -> int:
    if not one.lane or not one.chained:
        return one.lane + one.chained - one.scheduled
    return one.chained - one.scheduled + await _unchained(redis, partitions, one.keys, endpoint)


async def _unchained(
    redis: Redis, partitions: Sequence[keys.PartitionKeys], partition: keys.PartitionKeys, endpoint: int
) -> int:
    """How many at the head of the lane stand in no chain."""
    found = 0
    for start in range(0, LANE_LOOK, _PAGE):
        rows: Any = await redis.zrange(partition.lane(endpoint), start, start + _PAGE - 1)
        waiting = [ids.unpack_key(row, partition.number) for row in rows]
        records = await delivery_list.read_records(redis, partitions, waiting)
        found += sum(record is not None and not record.in_chain for record in records)
        if len(rows) < _PAGE:
            break
    return found
