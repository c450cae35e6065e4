from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.store import deliveries, outbox, scripts
from tests.support.filled_store import FilledStore

DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3, changed_ms=1)


@pytest.fixture
async def filled(redis: Redis) -> FilledStore:
    return await FilledStore.open(redis)


async def die(filled: FilledStore, partition: int, endpoint: int = 7) -> ids.DeliveryKey:
    address = await filled.publish(partition)
    mark: Any = await filled.redis.get(filled.partitions[partition].recorded)
    call = deliveries.Settle(filled.partitions[partition], filled.tokens[partition], mark.decode())
    key = ids.DeliveryKey(*address, endpoint)
    call.transition(deliveries.Transition(key, None, DEAD, announce=True))
    assert (await call.send(filled.redis)).code == "K"
    return key


async def test_what_waits_is_named_per_partition_and_endpoint(filled: FilledStore) -> None:
    first, second, third = [await die(filled, 0), await die(filled, 0), await die(filled, 1, 8)]
    found = await outbox.pending(filled.redis, filled.partitions)
    assert found == [outbox.DeadLetters(second, 2), outbox.DeadLetters(third, 1)]
    assert first < second


async def test_exactly_what_was_announced_is_removed(filled: FilledStore) -> None:
    await die(filled, 0)
    (read,) = await outbox.pending(filled.redis, filled.partitions)
    newer = await die(filled, 0)
    await outbox.done(filled.redis, filled.partitions[0], read)
    assert await outbox.pending(filled.redis, filled.partitions) == [outbox.DeadLetters(newer, 1)]
    (read,) = await outbox.pending(filled.redis, filled.partitions)
    await outbox.done(filled.redis, filled.partitions[0], read)
    assert await outbox.pending(filled.redis, filled.partitions) == []


async def test_a_repetition_takes_nothing_off_what_came_since(filled: FilledStore) -> None:
    """The reply is lost, a dead letter comes, and the client sends the same call again."""
    key = await die(filled, 0)
    args = (f"7:{outbox.KIND}", key.packed(), 1, b"one call")
    script, names = scripts.load("outbox_done"), [filled.partitions[0].outbox]
    assert await script(filled.redis, names, args) == 0
    newer = await die(filled, 0)
    assert await script(filled.redis, names, args) == 1
    assert await outbox.pending(filled.redis, filled.partitions) == [outbox.DeadLetters(newer, 1)]


async def test_nothing_waits_at_first(filled: FilledStore) -> None:
    assert await outbox.pending(filled.redis, filled.partitions) == []
    await outbox.done(filled.redis, filled.partitions[0], outbox.DeadLetters(ids.DeliveryKey(1, 1, 0, 7), 1))
