import asyncio

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.store import ledger, retention
from tests.support.filled_store import FilledStore

DELIVERED = Record(State.DELIVERED, attempts=1, status=200)
SCHEDULED = Record(State.SCHEDULED, attempts=1, status=500, due_ms=9)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3)


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    return await FilledStore.open(plain_redis)


async def fill(filled: FilledStore) -> list[ids.Address]:
    """Twelve events: two unread, two that nobody matched, eight fanned out to two endpoints."""
    addresses = [await filled.publish(number % 4, data=b"x" * 100) for number in range(12)]
    for number, address in enumerate(addresses[:10]):
        records = {1: DELIVERED, 2: (DELIVERED, SCHEDULED, DEAD)[number % 3]}
        await filled.settle(address, {} if number < 2 else records)
    return addresses


async def test_an_empty_store_balances(filled: FilledStore) -> None:
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.balanced
    assert balance.settled
    assert balance.counted["accepted"] == 0


async def test_the_recount_finds_what_the_counters_say(filled: FilledStore) -> None:
    await fill(filled)
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.differences == {}
    assert (balance.balanced, balance.settled) == (True, True)
    assert (
        ledger.line(balance.found)
        == ledger.line(balance.counted)
        == (
            "accepted 12 = unread 2 + matched nobody 2 + fanned out 8 · "
            "deliveries 16 = pending 0 + scheduled 2 + held 0 + delivered 11 + dead 3 + skipped 0"
        )
    )


async def test_a_lost_record_a_lost_event_and_a_wrong_counter_are_found(filled: FilledStore) -> None:
    addresses = await fill(filled)
    lost = ids.DeliveryKey(*addresses[4], 1)
    partition = filled.partitions[lost.partition]
    await filled.redis.hdel(partition.records(lost.minute), lost.packed())
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.differences == {"created": (16, 15), "delivered": (11, 10)}
    await filled.redis.xdel(partition.log, addresses[4].stream_id)
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.differences["accepted"] == (12, 11)
    await filled.redis.hincrby(partition.counters, f"{lost.ms // ids.HOUR_MS}:held", 1)
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.differences["held"] == (1, 0)
    assert not balance.deliveries_add_up


async def test_what_retention_removed_is_still_in_the_balance(filled: FilledStore) -> None:
    addresses = await fill(filled)
    before = ledger.line((await ledger.recount(filled.redis, filled.partitions)).counted)
    later = max(addresses).ms + 1
    for partition, token in zip(filled.partitions, filled.tokens, strict=True):
        cut = retention.Cut(later, early=True)
        assert await retention.trim(filled.redis, partition, len(filled.partitions), token, cut, ()) > 0
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert await filled.redis.xlen(filled.partitions[0].log) < 3
    assert (balance.differences, balance.settled) == ({}, True)
    assert ledger.line(balance.counted) == before


async def test_more_entries_than_one_chunk_are_counted(filled: FilledStore) -> None:
    for _ in range(280):
        await filled.settle(await filled.publish(1), {})
    for _ in range(280):
        await filled.publish(2)
    for _ in range(6):
        await filled.publish(3, data=b"x" * 200_000)
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert balance.balanced
    assert (balance.found["unmatched"], balance.found["unread"]) == (280, 286)


async def test_a_recount_under_load_reports_no_false_difference(filled: FilledStore) -> None:
    done = asyncio.Event()

    async def load(partition: int) -> None:
        while not done.is_set():
            address = await filled.publish(partition)
            await filled.settle(address, {1: SCHEDULED, 2: DELIVERED})
            await filled.change(ids.DeliveryKey(*address, 1), SCHEDULED, DELIVERED)

    async def count() -> None:
        for _ in range(5):
            balance = await ledger.recount(filled.redis, filled.partitions, tries=2)
            assert balance.differences == {}
            assert not balance.settled
        done.set()

    await asyncio.gather(count(), load(0), load(1))
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert (balance.balanced, balance.settled) == (True, True)


async def test_entries_that_no_gateway_wrote_are_explained(filled: FilledStore) -> None:
    await fill(filled)
    for _ in range(2):
        await filled.redis.xadd(filled.partitions[0].log, {"h": "garbage"})
    balance = await ledger.recount(filled.redis, filled.partitions)
    assert (balance.balanced, balance.foreign) == (False, 2)
