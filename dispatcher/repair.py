"""Looks whether keys of the owned partitions went missing, and mends what can be derived.

| missing | what is done |
|---|---|
| `recorded` | written again: the owner knows the mark, since nobody else moves it |
| `open`, `dead`, `due`, `order`, `lanes`, a lane | made again from the records |

A difference that rebuilding does not mend (a deleted counter) is said once, not worked on for ever.
"""

import logging
from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.partition import Partition
from gateway.store import deliveries, rebuild

TURN_SECONDS = 10.0
logger = logging.getLogger("dispatcher.repair")


class Report(NamedTuple):
    """Partitions whose mark was written again, and how many places were put right."""

    marked: list[int]
    placed: int


class Repair:
    """Checks all owned partitions."""

    def __init__(self, redis: Redis, partitions: Mapping[int, Partition]) -> None:
        self._redis, self._partitions = redis, partitions
        self._unmended: dict[int, tuple[rebuild.Places, rebuild.Places]] = {}

    async def run_once(self) -> Report:
        """Check and mend. Raises redis errors; the next turn looks again."""
        marked, placed = [], 0
        for partition in [p for p in self._partitions.values() if not (p.lost or p.released)]:
            if not await self._redis.exists(partition.keys.recorded):
                logger.error("mark.missing", extra={"partition": partition.number, "mark": partition.mark})
                await deliveries.Settle(partition.keys, partition.token, partition.mark).send(self._redis)
                marked.append(partition.number)
            placed += await self._mend(partition)
        return Report(marked, placed)

    async def _mend(self, partition: Partition) -> int:
        counted, found = await rebuild.compare(self._redis, partition.keys)
        difference = counted, found
        if counted == found or self._unmended.get(partition.number) == difference:
            return 0
        told = {"partition": partition.number, "counted": counted._asdict(), "found": found._asdict()}
        try:
            placed = await rebuild.rebuild(self._redis, partition.keys, partition.token, _no_pulse)
        except rebuild.LeaseLost:
            return 0
        logger.error("places.rebuilt", extra={**told, "placed": placed})
        after = await rebuild.compare(self._redis, partition.keys)
        if after[0] == after[1]:
            self._unmended.pop(partition.number, None)
        else:
            logger.error("places.differ", extra={**told, "partition": partition.number})
            self._unmended[partition.number] = after
        return placed


async def _no_pulse() -> None:
    """Membership beats by itself meanwhile."""
