"""What waits for an endpoint, counted on records that the real script placed."""

import pytest
from redis.asyncio import Redis

from gateway.ids import DeliveryKey
from gateway.model.delivery import Reason, Record, State, chain_of
from gateway.store import held
from tests.support.filled_store import FilledStore

PAUSED = Record(State.HELD, Reason.PAUSED)
ENDPOINT = 7


async def deliver(filled: FilledStore, partition: int, record: Record, endpoint: int = ENDPOINT) -> DeliveryKey:
    """An event with one delivery in this state."""
    address = await filled.publish(partition)
    await filled.settle(address, {endpoint: record})
    return DeliveryKey(*address, endpoint)


def chained(record: Record, key: str) -> Record:
    """The record in the chain of an ordering key."""
    return Record(record.state, record.reason, due_ms=record.due_ms, chain=chain_of(key))


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    """An empty store with four partitions."""
    return await FilledStore.open(plain_redis)


async def test_nothing_waits(filled: FilledStore) -> None:
    await deliver(filled, 0, Record(State.DELIVERED, attempts=1, status=200))
    await deliver(filled, 0, PAUSED, endpoint=8)
    assert await held.count(filled.redis, filled.partitions, ENDPOINT) == held.Held(0, None)


async def test_lanes_of_all_partitions(filled: FilledStore) -> None:
    waiting = [await deliver(filled, partition, PAUSED) for partition in (2, 0, 3, 0)]
    waiting.append(await deliver(filled, 1, Record(State.HELD, Reason.BREAKER)))
    waiting.append(await deliver(filled, 1, Record(State.PENDING)))
    await deliver(filled, 1, Record(State.SCHEDULED, due_ms=1_900_000_000_000))
    assert await held.count(filled.redis, filled.partitions, ENDPOINT) == held.Held(6, min(waiting))


async def test_who_stands_in_lane_and_chain_counts_once(filled: FilledStore) -> None:
    first = await deliver(filled, 1, chained(PAUSED, "a"))
    for record in (PAUSED, Record(State.HELD, Reason.ORDER), PAUSED):
        await deliver(filled, 1, chained(record, "a"))
    await deliver(filled, 1, PAUSED)
    await deliver(filled, 1, chained(PAUSED, "b"), endpoint=ENDPOINT + 1)
    assert await held.count(filled.redis, filled.partitions, ENDPOINT) == held.Held(5, first)


async def test_one_that_is_scheduled_does_not_wait_but_those_behind_it_do(filled: FilledStore) -> None:
    scheduled = Record(State.SCHEDULED, due_ms=1_900_000_000_000)
    await deliver(filled, 2, chained(scheduled, "a"))
    assert await held.count(filled.redis, filled.partitions, ENDPOINT) == held.Held(0, None)
    second = await deliver(filled, 2, chained(Record(State.HELD, Reason.ORDER), "a"))
    await deliver(filled, 2, chained(scheduled, "b"))
    assert await held.count(filled.redis, filled.partitions, ENDPOINT) == held.Held(1, second)


async def test_many_chains_are_looked_at_in_several_calls(filled: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "CHAINS", 2)
    for key in "abcde":
        await deliver(filled, 0, chained(Record(State.SCHEDULED, due_ms=1_900_000_000_000), key))
        await deliver(filled, 0, chained(Record(State.HELD, Reason.ORDER), key))
    assert (await held.count(filled.redis, filled.partitions, ENDPOINT)).deliveries == 5


async def test_a_lane_is_looked_at_in_pages(filled: FilledStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held, "_PAGE", 2)
    for number in range(5):
        await deliver(filled, 0, chained(PAUSED, "a") if number % 2 else PAUSED)
    assert (await held.count(filled.redis, filled.partitions, ENDPOINT)).deliveries == 5
