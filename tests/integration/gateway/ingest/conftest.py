"""A group commit on an empty store with four partitions."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from redis.asyncio import Redis

from gateway.ingest.group_commit import GroupCommit
from gateway.model.event import NewEvent
from gateway.store import connection, keys, log

COUNT = 4


@dataclass
class Bench:
    """`put` submits events together and flushes until each has its answer."""

    redis: Redis
    commit: GroupCommit
    partitions: list[keys.PartitionKeys]

    async def put(self, *new: NewEvent) -> list[log.Appended]:
        futures = [self.commit.submit(event) for event in new]
        while await self.commit.run_once():
            if all(future.done() for future in futures):
                break
        return [await future for future in futures]

    async def events(self) -> int:
        """How many are stored."""
        return sum([await self.redis.xlen(p.log) for p in self.partitions])


@pytest.fixture
async def bench(valkey_url: str) -> AsyncIterator[Bench]:
    redis = connection.connect(valkey_url)
    await redis.flushall()
    partitions = [keys.PartitionKeys(number, COUNT) for number in range(COUNT)]
    yield Bench(redis, GroupCommit(redis, partitions), partitions)
    await redis.aclose()
