"""Leases: who owns a partition. A token compared for equality and a beat that grows; no TTL and no clock.

Another dispatcher takes a lease only if it was released, or if it has itself seen the same token and beat for
`LEASE_SECONDS` of its own monotonic time. The owner starts no attempt once its last good beat is `SAFE_SECONDS` old.
"""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.store import keys, scripts

BEAT_SECONDS = 2.0
SAFE_SECONDS = 6.0
LEASE_SECONDS = 10.0


class Lease(NamedTuple):
    """What can be seen of a lease; `owner` is '' when it was released or never taken."""

    owner: str
    token: str
    beat: int


class Taken(NamedTuple):
    """A lease taken: the token, the recorded mark, and the id of the last entry at that moment."""

    token: str
    mark: str
    top: str


async def peek(redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> list[Lease]:
    """The leases as they are, in the order asked."""
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.hmget(partition.lease, "owner", "token", "beat")
    rows = await pipeline.execute()
    return [Lease((o or b"").decode(), (t or b"").decode(), int(b or 0)) for o, t, b in rows]


async def take(redis: Redis, partition: keys.PartitionKeys, owner: str, seen: Lease) -> Taken | None:
    """Take a lease that is released or has been seen unchanged; None when it is alive in other hands."""
    token = secrets.token_hex(8)
    names = [partition.lease, partition.recorded, partition.fanned, partition.log]
    answer = await scripts.load("take")(redis, names, (owner, token, seen.token, seen.beat))
    return Taken(token, answer[0].decode(), answer[1].decode()) if answer else None


async def beat(redis: Redis, held: Sequence[tuple[keys.PartitionKeys, str]]) -> list[bool | BaseException]:
    """Raise the beat of each (partition, token) in one round trip: False means that the lease is lost."""
    script = scripts.load("beat")
    answers = await scripts.run_all(redis, [(script, [p.lease], (token, "beat")) for p, token in held])
    return [answer if isinstance(answer, BaseException) else answer == 1 for answer in answers]


async def release(redis: Redis, partition: keys.PartitionKeys, token: str) -> bool:
    """Give a lease up; False when it was lost before."""
    return bool(await scripts.load("beat")(redis, [partition.lease], (token, "release")) == 1)


def is_behind(stream_id: str, mark: str) -> bool:
    """Whether an entry lies at or before the mark."""
    return ids.parse_stream_id(stream_id) <= ids.parse_stream_id(mark)
