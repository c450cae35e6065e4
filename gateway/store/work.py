"""Orders: what the gateway and replays ask of a partition's owner. The owner alone changes records.

An order lies in the `work` hash under the delivery's packed key until the settle script removes it together with the
attempt that it caused; so an order is never lost, and there is at most one per delivery.
"""

import enum
import secrets
import struct
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as deliveries
from gateway.store import keys, scripts

_ORDER = struct.Struct(">BI8s")


class Kind(enum.IntEnum):
    """What is asked; order.lua knows the same numbers."""

    MANUAL = 1
    MANUAL_RETRY = 2
    FILL = 3
    AGAIN = 4
    PROBE = 5


class Order(NamedTuple):
    """One order; `run` is the replay's number, else 0."""

    kind: Kind
    run: int


Answer = Literal["queued", "in_flight", "missing", "kept", "ahead"]


class Ordered(NamedTuple):
    """What became of an order; `record` is the delivery as it is, None if there is none yet."""

    answer: Answer
    record: deliveries.Record | None


def unpack(value: bytes) -> Order:
    """The reverse of what `order` writes."""
    kind, run, _ = _ORDER.unpack(value)
    return Order(Kind(kind), run)


async def order(
    redis: Redis, partition: keys.PartitionKeys, wanted: Sequence[ids.DeliveryKey], kind: Kind, run: int = 0
) -> list[Ordered]:
    """Place orders for deliveries of one partition, at most 256; one script."""
    names = [partition.work, partition.recorded]
    positions: dict[int, int] = {}
    args: list[scripts.Argument] = [_ORDER.pack(kind, run, secrets.token_bytes(8))]
    for key in wanted:
        if key.minute not in positions:
            names.append(partition.records(key.minute))
            positions[key.minute] = len(names)
        args += (key.packed(), positions[key.minute])
    answers = await scripts.load("order")(redis, names, args)
    return [Ordered(a.decode(), deliveries.unpack_record(record) if record else None) for a, record in answers]


async def order_manual(redis: Redis, partition: keys.PartitionKeys, key: ids.DeliveryKey, *, retry: bool) -> Ordered:
    """Ask for one attempt by hand; `retry` starts the schedule anew should it fail."""
    kind = Kind.MANUAL_RETRY if retry else Kind.MANUAL
    return (await order(redis, partition, [key], kind))[0]


async def order_probe(redis: Redis, partition: keys.PartitionKeys, key: ids.DeliveryKey) -> Answer:
    """Ask for one attempt at an endpoint that was disabled as failing; `kept` when the delivery was delivered."""
    return (await order(redis, partition, [key], Kind.PROBE))[0].answer


class Page(NamedTuple):
    """Some of the orders, and the cursor of the next page, 0 at the end."""

    cursor: int
    orders: dict[ids.DeliveryKey, Order]


async def page(redis: Redis, partition: keys.PartitionKeys, cursor: int) -> Page:
    """A page of the orders that wait (HSCAN): some may be carried out by the time it is read, see `read`."""
    reply: Any = await redis.hscan(partition.work, cursor, count=256)
    after, rows = reply
    return Page(after, {ids.unpack_key(field, partition.number): unpack(value) for field, value in rows.items()})


async def read(redis: Redis, partition: keys.PartitionKeys, wanted: Sequence[ids.DeliveryKey]) -> list[Order | None]:
    """The orders that wait for these deliveries now, None for none."""
    values: Any = await redis.hmget(partition.work, [key.packed() for key in wanted])
    return [unpack(value) if value else None for value in values]


async def outstanding(redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> int:
    """How many orders wait for their owners."""
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.hlen(partition.work)
    return sum(await pipeline.execute())
