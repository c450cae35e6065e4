"""What waits in the store: due times, lanes and chains. All are derived from records and changed by settle.lua alone.

A chain is what stands in line for one ordering key at one endpoint, in the order of the log. Its first may be
attempted; the others wait until it has left.
"""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import keys

_MEMBER = struct.Struct(">IIHIII")
_PREFIX = struct.Struct(">II")


class ChainId(NamedTuple):
    """An endpoint's number and the number of an ordering key (`model.delivery.chain_of`)."""

    endpoint: int
    chain: int


async def due(redis: Redis, partition: keys.PartitionKeys, now_ms: int, count: int) -> list[ids.DeliveryKey]:
    """Deliveries whose time has come, earliest first; `now_ms` in store time."""
    rows: Any = await redis.zrange(partition.due, "-inf", str(now_ms), byscore=True, offset=0, num=count)
    return [ids.unpack_key(row, partition.number) for row in rows]


async def lane(
    redis: Redis, partition: keys.PartitionKeys, endpoint: int, count: int, start: int = 0
) -> list[ids.DeliveryKey]:
    """So many of an endpoint's lane from a place on, oldest event first."""
    rows: Any = await redis.zrange(partition.lane(endpoint), start, start + count - 1)
    return [ids.unpack_key(row, partition.number) for row in rows]


async def lanes(
    redis: Redis, partition: keys.PartitionKeys, wanted: Mapping[int, int]
) -> dict[int, list[ids.DeliveryKey]]:
    """The heads of several lanes, so many of each endpoint's; one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for endpoint, count in wanted.items():
        pipeline.zrange(partition.lane(endpoint), 0, count - 1)
    found: list[Any] = await pipeline.execute() if wanted else []
    return {
        endpoint: [ids.unpack_key(row, partition.number) for row in rows]
        for endpoint, rows in zip(wanted, found, strict=True)
    }


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


async def chain_sizes(redis: Redis, partition: keys.PartitionKeys) -> Counter[ChainId]:
    """How many open deliveries stand in each chain of this partition."""
    sizes: Counter[ChainId] = Counter()
    seen: set[bytes] = set()
    async for member, _ in redis.zscan_iter(partition.order, count=1_000):
        if member not in seen:
            seen.add(member)
            sizes[ChainId(*_PREFIX.unpack_from(member))] += 1
    return sizes


async def chain_heads(
    redis: Redis, partition: keys.PartitionKeys, wanted: Sequence[ChainId]
) -> list[ids.DeliveryKey | None]:
    """The first of each chain, None for an empty one; one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for chain in wanted:
        prefix = _PREFIX.pack(*chain)
        pipeline.zrange(partition.order, b"[" + prefix, b"(" + _after(prefix), bylex=True, offset=0, num=1)
    rows: list[Any] = await pipeline.execute() if wanted else []
    return [unpack_member(row[0], partition.number)[1] if row else None for row in rows]


def _after(prefix: bytes) -> bytes:
    """The first bytes beyond all that begin with the prefix."""
    return prefix + b"\xff" * (_MEMBER.size - _PREFIX.size + 1)


def pack_member(key: ids.DeliveryKey, chain: int) -> bytes:
    """What stands for a delivery in the zset of all chains; settle.lua and place.lua make the same."""
    return _MEMBER.pack(key.endpoint, chain, key.ms >> 32, key.ms & 0xFFFFFFFF, key.seq, key.run)


def unpack_member(member: bytes, partition: int) -> tuple[ChainId, ids.DeliveryKey]:
    """A delivery that stands in line, and where."""
    endpoint, chain, high, low, seq, run = _MEMBER.unpack(member)
    return ChainId(endpoint, chain), ids.DeliveryKey((high << 32) | low, seq, partition, endpoint, run)
