"""A partition's outbox: dead letters that the settle script wrote down to be announced, aggregated per endpoint."""

from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import keys, scripts

KIND = "dead"


class DeadLetters(NamedTuple):
    """Dead letters of one endpoint since the last announcement: how many, and the newest."""

    newest: ids.DeliveryKey
    letters: int


async def pending(redis: Redis, partition: keys.PartitionKeys) -> list[DeadLetters]:
    """What waits to be announced."""
    fields: Any = await redis.hgetall(partition.outbox)
    found = []
    for field, value in fields.items():
        if field.endswith(b":" + KIND.encode()):
            key = ids.unpack_key(value, partition.number)
            found.append(DeadLetters(key, int(fields.get(field + b":count", 1))))
    return found


async def done(redis: Redis, partition: keys.PartitionKeys, announced: DeadLetters) -> None:
    """Remove exactly what was announced."""
    args = (f"{announced.newest.endpoint}:{KIND}", announced.newest.packed(), announced.letters)
    await scripts.load("outbox_done")(redis, [partition.outbox], args)
