"""What waits in the store: due times and lanes. Both are derived from records and changed by settle.lua alone."""

from collections.abc import Sequence
from typing import Any

from redis.asyncio import Redis

from gateway import ids
from gateway.store import keys


async def due(redis: Redis, partition: keys.PartitionKeys, now_ms: int, count: int) -> list[ids.DeliveryKey]:
    """Deliveries whose time has come, earliest first; `now_ms` in store time."""
    rows: Any = await redis.zrange(partition.due, "-inf", str(now_ms), byscore=True, offset=0, num=count)
    return [ids.unpack_key(row, partition.number) for row in rows]


async def lane(redis: Redis, partition: keys.PartitionKeys, endpoint: int, count: int) -> list[ids.DeliveryKey]:
    """The head of an endpoint's lane, oldest event first."""
    rows: Any = await redis.zrange(partition.lane(endpoint), 0, count - 1)
    return [ids.unpack_key(row, partition.number) for row in rows]


async def lane_sizes(redis: Redis, partition: keys.PartitionKeys) -> dict[int, int]:
    """How many deliveries wait in each lane of this partition."""
    numbers = sorted(int(number) for number in await redis.smembers(partition.lanes))
    pipeline = redis.pipeline(transaction=False)
    for number in numbers:
        pipeline.zcard(partition.lane(number))
    return dict(zip(numbers, await pipeline.execute(), strict=True)) if numbers else {}


async def open_page(redis: Redis, partition: keys.PartitionKeys, cursor: int) -> tuple[int, Sequence[ids.DeliveryKey]]:
    """A page of the open deliveries and the next cursor, 0 at the end (ZSCAN)."""
    reply: Any = await redis.zscan(partition.open, cursor, count=500)
    after, rows = reply
    return after, [ids.unpack_key(row, partition.number) for row, _ in rows]
