"""The worker process: real processes, a real queue, signals and crashes."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.model.replay import Replay
from gateway.store import work
from gateway.store.jobs import Jobs
from tests.support.process import Process
from tests.support.replaying import Station
from tests.support.waiting import until

NORMAL, QUICK = "dispatcher.jobs.worker", "tests.support.quick_worker"
StartWorker = Callable[..., Process]


def environment(station: Station) -> dict[str, str]:
    """A worker's settings."""
    return {"HOOKLINE_REDIS_URL": station.url, "HOOKLINE_PARTITIONS": str(len(station.partitions))}


@pytest.fixture
async def start(station: Station, tmp_path: Path) -> AsyncIterator[StartWorker]:
    """`start("w1", module)`: a worker that is killed at the end."""
    workers: list[Process] = []

    def begin(name: str, module: str = QUICK) -> Process:
        workers.append(Process(name, [module], tmp_path, environment(station)))
        workers[-1].start()
        return workers[-1]

    yield begin
    for worker in workers:
        worker.kill9()


@pytest.fixture
def jobs(station: Station) -> Iterator[Jobs]:
    """The queue."""
    queue = Jobs(station.url)
    yield queue
    queue.close()


async def begin(station: Station, jobs: Jobs, count: int, **fields: object) -> tuple[Replay, list[str]]:
    """A replay of so many events that is in the queue."""
    names = await station.publish(count, "e")
    await station.settle()
    replay = await station.replay(await station.endpoint("shop"), **fields)
    await jobs.start_replay(replay.id)
    return replay, names


async def ended(station: Station, replay: Replay, seconds: float = 20.0) -> Replay:
    await until(lambda: station.has_ended(replay.id), seconds, "the replay ends")
    return await station.get(replay.id)


async def stop(worker: Process) -> float:
    """SIGTERM; the seconds until it was gone."""
    taken = await asyncio.to_thread(worker.stop, 10.0)
    assert worker.returncode == 0, worker.output()
    return taken


async def test_a_worker_does_a_replay_and_ends_at_a_signal(station: Station, start: StartWorker, jobs: Jobs) -> None:
    worker = start("worker", NORMAL)
    replay, names = await begin(station, jobs, 50)
    done = await ended(station, replay)
    assert (done.status, done.total, await station.counted(done, "delivered")) == ("completed", 50, 50)
    assert Counter(station.sink.ids("shop")) == Counter(names)
    assert await stop(worker) < 2
    lines = [json.loads(line) for line in worker.output().splitlines()]
    seen = [line["event"] for line in lines]
    assert seen == ["worker.started", "replay.slice_started", "replay.ended", "worker.stopped"]


async def test_slices_follow_each_other(station: Station, start: StartWorker, jobs: Jobs) -> None:
    worker = start("worker")
    replay, names = await begin(station, jobs, 40, rate=16)
    done = await ended(station, replay)
    assert (done.status, done.queued) == ("completed", 40)
    assert Counter(station.sink.ids("shop")) == Counter(names)
    assert worker.output().count("replay.slice_started") >= 2


async def test_a_killed_worker_is_noticed_and_another_goes_on(station: Station, start: StartWorker, jobs: Jobs) -> None:
    first = start("first", NORMAL)
    replay, names = await begin(station, jobs, 60, rate=40)
    await station.sink.wait("shop", 10)
    first.kill9()
    assert (await station.get(replay.id)).status == "running"
    start("second")
    done = await ended(station, replay)
    assert (done.status, done.total, done.queued) == ("completed", 60, 60)
    assert Counter(station.sink.ids("shop")) == Counter(names)
    assert await station.sent(done) == 60


async def test_a_signal_ends_a_slice_and_the_next_worker_goes_on_at_once(
    station: Station, start: StartWorker, jobs: Jobs
) -> None:
    worker = start("worker", NORMAL)
    station.sink.hold = True
    replay, names = await begin(station, jobs, 300)
    await station.sink.wait("shop", 60)
    assert await stop(worker) < 2
    saved = await station.get(replay.id)
    assert (saved.status, saved.phase) == ("running", "send")
    assert saved.queued > 60
    assert jobs.holds(replay.id, saved.token)
    station.sink.release()
    start("next", NORMAL)
    done = await ended(station, replay)
    assert (done.status, done.queued) == ("completed", 300)
    assert Counter(station.sink.ids("shop")) == Counter(names)


async def test_a_replay_that_waits_does_not_hold_the_only_worker(
    station: Station, start: StartWorker, jobs: Jobs
) -> None:
    start("worker")
    station.sink.hold = True
    slow, _ = await begin(station, jobs, 5)
    await station.sink.wait("shop", 5)
    counted = await station.replay(await station.endpoint("other"), dry_run=True)
    await jobs.start_replay(counted.id)
    assert (await ended(station, counted)).total == 5
    assert (await station.get(slow.id)).status == "running"


async def test_a_cancelled_replay_stops(station: Station, start: StartWorker, jobs: Jobs) -> None:
    start("worker", NORMAL)
    replay, _ = await begin(station, jobs, 200, rate=20)
    await station.sink.wait("shop", 5)
    await station.replays.change(replay.id, lambda read: msgspec.structs.replace(read, status="cancelled"))
    ordered = len(station.sink.ids("shop")) + 2 * 20
    last = await station.replay(await station.endpoint("other"), dry_run=True)
    await jobs.start_replay(last.id)
    assert (await ended(station, last)).status == "completed", "the worker is free again"
    await until(lambda: _nothing_ordered(station), 10, "no order left")
    assert len(station.sink.ids("shop")) <= ordered
    assert (await station.get(replay.id)).status == "cancelled"


async def _nothing_ordered(station: Station) -> bool:
    return await work.outstanding(station.redis, station.partitions) == 0
