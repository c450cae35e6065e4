"""The orders of one replay: how many wait for their owners, and how many were carried out."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from gateway.store import keys, work


async def outstanding(redis: Redis, partitions: Sequence[keys.PartitionKeys], run: int) -> int:
    """How many orders of this run are not carried out yet, the running ones included. One round trip.

    Reads all orders that there are: they are few, since every replay keeps its own few.
    """
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.hvals(partition.work)
    found: list[Any] = await pipeline.execute()
    return sum(work.unpack(value).run == run for values in found for value in values)


async def sent(redis: Redis, partitions: Sequence[keys.PartitionKeys], run: int) -> int:
    """How many orders of this run led to an attempt. One round trip."""
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.hget(partition.replayed, f"{run}:sent")
    return sum(int(count or 0) for count in await pipeline.execute())
