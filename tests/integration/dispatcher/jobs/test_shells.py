"""What RQ calls, called as RQ calls it: by name, with texts."""

import asyncio
import dataclasses
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from dispatcher.jobs import runtime, shells
from dispatcher.jobs.timing import NORMAL
from gateway.model.replay import Replay
from gateway.store import jobs
from tests.support.replaying import Station
from tests.support.valkey import ValkeyServer, free_port


@pytest.fixture
def given(station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[runtime.Runtime]:
    """The surroundings of a job, with slices of a moment."""
    monkeypatch.setattr(runtime, "_current", None)
    given = runtime.make(station.settings, NORMAL._replace(slice=0.2))
    runtime.use(given)
    yield given
    given.jobs.close()


def test_the_queued_name_is_this_function() -> None:
    module, _, name = jobs.REPLAY.rpartition(".")
    assert getattr(importlib.import_module(module), name) is shells.replay


async def run(replay: Replay, token: str) -> None:
    """As RQ does it: without a running loop."""
    await asyncio.to_thread(shells.replay, replay.id, token)


async def test_a_slice_queues_the_next_one_until_it_is_done(station: Station, given: runtime.Runtime) -> None:
    await station.publish(5, "e")
    await station.settle()
    station.sink.hold = True
    replay = await station.replay(await station.endpoint("shop"))
    await run(replay, "")
    token = (await station.get(replay.id)).token
    assert given.jobs.holds(replay.id, token)
    station.sink.release()
    waiting = given.jobs.waiting()
    while not await station.has_ended(replay.id):
        await run(replay, (await station.get(replay.id)).token)
    assert (await station.get(replay.id)).status == "completed"
    done = given.jobs.waiting()
    await run(replay, "")
    assert done >= waiting
    assert given.jobs.waiting() == done, "a job that does not count any more queues nothing"


async def test_the_end_of_the_process_ends_the_slice(station: Station, given: runtime.Runtime) -> None:
    given.stopping.set()
    replay = await station.replay(await station.endpoint("shop"))
    await run(replay, "")
    stored = await station.get(replay.id)
    assert stored.status == "running"
    assert given.jobs.holds(replay.id, stored.token)


async def test_a_store_that_is_away_is_no_failure_of_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    station = Station(f"redis://127.0.0.1:{free_port()}", tmp_path)
    monkeypatch.setattr(runtime, "_current", None)
    runtime.use(runtime.make(station.settings, NORMAL))
    await asyncio.to_thread(shells.replay, "rpl_1", "")
    assert [record.getMessage() for record in caplog.records] == ["slice.interrupted"]


async def test_a_queue_that_is_away_leaves_the_replay_to_the_watch(
    station: Station, monkeypatch: pytest.MonkeyPatch, valkey_server: ValkeyServer
) -> None:
    monkeypatch.setattr(runtime, "_current", None)
    elsewhere = dataclasses.replace(station.settings, jobs_redis_url=valkey_server.url)
    given = runtime.make(elsewhere, NORMAL._replace(slice=0.0))
    runtime.use(given)
    valkey_server.kill9()
    replay = await station.replay(await station.endpoint("shop"))
    await run(replay, "")
    stored = await station.get(replay.id)
    assert (stored.status, len(stored.token)) == ("running", 16)
