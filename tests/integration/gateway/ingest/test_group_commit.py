"""Group commit on a real store: one fsync for many, every caller its own answer, ids that mean one event."""

import asyncio
import contextlib

import pytest

from gateway import ids
from gateway.ingest import group_commit
from gateway.ingest.group_commit import GroupCommit
from gateway.model.event import NewEvent
from gateway.problems import Problem
from gateway.store import connection, keys, log
from tests.integration.gateway.ingest.conftest import COUNT, Bench
from tests.support.valkey import ValkeyServer


def event(text: str = "1", **more: str) -> NewEvent:
    return NewEvent("/s", "order.placed", text.encode(), **more)


async def test_many_events_share_a_flush_and_each_gets_its_address(bench: Bench) -> None:
    answers = await bench.put(*(event(str(n), subject=f"order-{n % 7}" if n % 2 else "") for n in range(300)))
    addresses = [answer.address for answer in answers]
    assert len(set(addresses)) == 300
    assert {answer.outcome for answer in answers} == {log.Outcome.NEW}
    for number, address in enumerate(addresses):
        assert address is not None
        stored = await log.read(bench.redis, bench.partitions[address.partition], address)
        assert stored is not None
        assert (stored.data, stored.is_intact()) == (str(number).encode(), True)


async def test_an_ordering_key_has_one_partition(bench: Bench) -> None:
    answers = await bench.put(*(event(str(n), subject="order-1") for n in range(20)))
    found = [a.address for a in answers if a.address]
    assert {address.partition for address in found} == {ids.partition_of("order-1", COUNT)}
    assert found == sorted(found)


async def test_events_without_a_name_take_turns_over_the_partitions(bench: Bench) -> None:
    partitions = []
    for _ in range(COUNT):
        (answer,) = await bench.put(event())
        assert answer.address is not None
        partitions.append(answer.address.partition)
    assert sorted(partitions) == list(range(COUNT))


@pytest.mark.parametrize("subject", ["", "order-1", "order-2", "order-3", "order-4"])
async def test_one_id_a_hundred_times_at_once_is_one_event(bench: Bench, subject: str) -> None:
    answers = await bench.put(*(event("1", id="e-1", subject=subject) for _ in range(100)))
    assert len({answer.address for answer in answers}) == 1
    assert sorted(answer.outcome for answer in answers) == [log.Outcome.NEW] + [log.Outcome.DUPLICATE] * 99
    assert await bench.events() == 1


@pytest.mark.parametrize(
    "other",
    [
        event("2", id="e-1", subject="order-1"),
        event("1", id="e-1", subject="order-9"),
        event("1", id="e-1"),
        event("1", id="e-1", subject="order-1", partitionkey="k"),
        event("1", id="e-1", subject="order-1", subscriber="acme"),
        event("1", id="e-1", subject="order-1", time="2026-01-01T00:00:00Z"),
        NewEvent("/other", "order.placed", b"1", "e-1", "order-1"),
        NewEvent("/s", "order.paid", b"1", "e-1", "order-1"),
    ],
)
async def test_one_id_is_one_event_whatever_its_partition(bench: Bench, other: NewEvent) -> None:
    first = event("1", id="e-1", subject="order-1")
    for one, two in ((first, other), (other, first)):
        await bench.redis.flushall()
        await bench.put(one)
        (answer,) = await bench.put(two)
        assert answer.outcome is log.Outcome.CONFLICT
        assert await bench.events() == 1
        (again,) = await bench.put(one)
        assert again.outcome is log.Outcome.DUPLICATE


async def test_large_events_are_split_over_scripts(bench: Bench) -> None:
    answers = await bench.put(*(event('"' + "x" * 200_000 + '"', subject="order-1") for _ in range(10)))
    assert {answer.outcome for answer in answers} == {log.Outcome.NEW}
    assert await bench.events() == 10


async def test_a_store_that_is_gone_fails_every_caller(valkey_server: ValkeyServer) -> None:
    redis = connection.connect(valkey_server.url, 0.2)
    commit = GroupCommit(redis, [keys.PartitionKeys(0, 1)])
    future = commit.submit(event())
    valkey_server.kill9()
    await commit.run_once()
    assert connection.is_unavailable(future.exception() or AssertionError())
    valkey_server.restart()
    again = commit.submit(event())
    await commit.run_once()
    assert again.result().outcome is log.Outcome.NEW
    await redis.aclose()


async def test_the_queue_is_bounded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_commit, "QUEUE_EVENTS", 2)
    bench.commit.submit(event())
    bench.commit.submit(event())
    with pytest.raises(Problem) as caught:
        bench.commit.submit(event())
    assert (caught.value.code, caught.value.all_headers()["retry-after"]) == ("overloaded", "1")
    await bench.commit.run_once()


async def test_the_loop_serves_until_it_is_cancelled(bench: Bench) -> None:
    task = asyncio.create_task(bench.commit.run())
    answer = await bench.commit.submit(event())
    assert answer.outcome is log.Outcome.NEW
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_whoever_waits_is_told_once_even_if_it_fails(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    told: list[tuple[int, object]] = []

    def failing(_index: int, _result: object) -> None:
        raise RuntimeError("the connection is gone")

    bench.commit.begin(event("1"), failing)
    bench.commit.begin(event("2"), lambda index, result: told.append((index, result)), 7)
    await bench.commit.run_once()
    assert "answer.failed" in caplog.text
    ((index, result),) = told
    assert index == 7
    assert isinstance(result, log.Appended)


async def test_a_gateway_that_ends_says_that_the_outcome_is_not_known(valkey_server: ValkeyServer) -> None:
    redis = connection.connect(valkey_server.url)
    commit = GroupCommit(redis, [keys.PartitionKeys(0, 1)])
    await redis.ping()
    valkey_server.pause()
    future = commit.submit(event())
    task = asyncio.create_task(commit.run_once())
    await asyncio.wait([task], timeout=0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert connection.is_unavailable(future.exception() or AssertionError())
    valkey_server.resume()
    await redis.aclose()
