"""A partition's outbox: dead letters that the settle script wrote down to be announced, aggregated per endpoint."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import keys, scripts

KIND = "dead"


class DeadLetters(NamedTuple):
    """Dead letters of one endpoint since the last announcement: how many, and the newest."""

    newest: ids.DeliveryKey
    letters: int


async def pending(redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> list[DeadLetters]:
    """What waits to be announced, per partition and endpoint. One round trip."""
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.hgetall(partition.outbox)
    found = []
    for partition, fields in zip(partitions, await pipeline.execute(), strict=True):
        for field, value in fields.items():
            if field.endswith(b":" + KIND.encode()):
                key = ids.unpack_key(value, partition.number)
                found.append(DeadLetters(key, int(fields.get(field + b":count", 1))))
    return found


async def done(redis: Redis, partition: keys.PartitionKeys, announced: DeadLetters) -> None:
    """Remove exactly what was announced."""
    field = f"{announced.newest.endpoint}:{KIND}"
    args = (field, announced.newest.packed(), announced.letters, secrets.token_bytes(8))
    await scripts.load("outbox_done")(redis, [partition.outbox], args)
