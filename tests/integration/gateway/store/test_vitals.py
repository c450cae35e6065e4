"""What is read of a real store."""

from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.model.event import NewEvent
from gateway.store import breakers, connection, log, scripts, vitals
from gateway.store.breakers import Breaker
from gateway.store.keys import PartitionKeys


async def append(redis: Redis, partition: PartitionKeys) -> int:
    """The acceptance of one event."""
    call = log.Append(partition, [NewEvent("/tests", "order.placed", b"{}")])
    (answer,) = await scripts.run_all(redis, [call.call])
    (appended,) = call.read(answer)
    assert appended.address
    return appended.address.ms


async def test_an_empty_store(redis: Redis) -> None:
    found = await vitals.take(redis, [PartitionKeys(0, 2), PartitionKeys(1, 2)])
    assert [(one.number, one.entries, one.lag_seconds, one.late_seconds) for one in found.partitions] == [
        (0, 0, 0.0, 0.0),
        (1, 0, 0.0, 0.0),
    ]
    assert found.memory.used > found.empty_bytes > 0
    assert (await vitals.take(redis, [])).partitions == []


async def test_lag_is_the_age_of_the_oldest_event_that_is_not_recorded(plain_redis: Redis) -> None:
    partition = PartitionKeys(1, 2)
    first_ms, second_ms = await append(plain_redis, partition), await append(plain_redis, partition)
    found = await vitals.take(plain_redis, [PartitionKeys(0, 2), partition])
    assert found.partitions[1].lag_seconds == pytest.approx((found.now_ms - first_ms) / 1_000)
    assert found.partitions[1].totals["unread"] == 2
    entries: Any = await plain_redis.xrange(partition.log, count=1)
    await plain_redis.set(partition.recorded, entries[0][0])
    found = await vitals.take(plain_redis, [partition])
    assert found.partitions[0].lag_seconds == pytest.approx((found.now_ms - second_ms) / 1_000)
    assert vitals.accepted_per_second(found) > 0


async def test_an_overdue_retry_is_seen(plain_redis: Redis) -> None:
    partition = PartitionKeys(0, 1)
    now_ms = await connection.store_ms(plain_redis)
    await plain_redis.zadd(partition.due, {b"late": now_ms - 90_000, b"later": now_ms + 90_000})
    (found,) = (await vitals.take(plain_redis, [partition])).partitions
    assert 90 <= found.late_seconds < 120
    await plain_redis.zrem(partition.due, b"late")
    assert (await vitals.take(plain_redis, [partition])).partitions[0].late_seconds == 0.0


async def test_open_breakers_are_seen(plain_redis: Redis) -> None:
    await breakers.swap(plain_redis, 3, None, Breaker(5, 6))
    assert (await vitals.take(plain_redis, [])).breakers == {3: Breaker(5, 6)}
