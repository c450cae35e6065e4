"""The worker process while its store, or the one of its jobs, is full, away or hung."""

import asyncio
from pathlib import Path

from gateway.store.jobs import Jobs
from tests.integration.dispatcher.jobs.test_worker import NORMAL, QUICK, begin, ended, environment, stop
from tests.support.process import Process
from tests.support.replaying import Station
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import until


async def test_a_full_store_is_waited_for(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    # without a dispatcher at first, which would make room by letting old events go
    async with Station(valkey_server.url, tmp_path, dispatching=False) as station:
        worker, jobs = Process("worker", [QUICK], tmp_path, environment(station)), Jobs(station.url)
        worker.start()
        names = await station.publish(40, "e")
        replay = await station.replay(await station.endpoint("shop", event_types=["nothing.yet"]))
        await jobs.start_replay(replay.id)
        await until(lambda: "replay.slice_started" in worker.output(), 20, "a slice")
        await station.redis.config_set("maxmemory", 1)
        await until(lambda: "replay.waits" in worker.output(), 20, "the slice is refused")
        await until(lambda: "worker.interrupted" in worker.output(), 20, "RQ is refused")
        assert (await station.get(replay.id)).status == "running"
        await station.redis.config_set("maxmemory", "256mb")
        await station.dispatch()
        done = await ended(station, replay, 30)
        assert (done.status, done.queued, done.error) == ("completed", 40, None)
        assert sorted(station.sink.ids("shop")) == sorted(names)
        await stop(worker)
        jobs.close()


async def test_a_store_that_was_away_is_worked_for_again(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with Station(valkey_server.url, tmp_path) as station:
        valkey_server.kill9()
        worker = Process("worker", [QUICK], tmp_path, environment(station))
        worker.start()
        await until(lambda: "store.unavailable" in worker.output(), 20, "the worker misses the store")
        valkey_server.start()
        await until(lambda: "worker.started" in worker.output(), 20, "the worker starts")
        valkey_server.kill9()
        await until(lambda: "watch.interrupted" in worker.output(), 20, "the worker misses the store again")
        valkey_server.start()
        jobs = Jobs(station.url)
        replay, names = await begin(station, jobs, 10)
        assert (await ended(station, replay, 30)).status == "completed"
        assert set(station.sink.ids("shop")) == set(names)
        valkey_server.pause()
        assert await stop(worker) < 2.5
        valkey_server.resume()
        jobs.close()


async def test_the_jobs_may_be_elsewhere(station: Station, valkey_server: ValkeyServer, tmp_path: Path) -> None:
    settings = environment(station) | {"HOOKLINE_JOBS_REDIS_URL": valkey_server.url}
    worker, jobs = Process("worker", [NORMAL], tmp_path, settings), Jobs(valkey_server.url)
    worker.start()
    replay, names = await begin(station, jobs, 10)
    assert (await ended(station, replay)).status == "completed"
    assert sorted(station.sink.ids("shop")) == sorted(names)
    assert await station.redis.keys("hookline:*") == []
    await stop(worker)
    jobs.close()


async def test_a_worker_that_still_waits_for_its_store_ends_at_a_signal(station: Station, tmp_path: Path) -> None:
    settings = environment(station) | {"HOOKLINE_REDIS_URL": f"redis://127.0.0.1:{free_port()}"}
    worker = Process("worker", [NORMAL], tmp_path, settings)
    worker.start()
    await until(lambda: "store.unavailable" in worker.output(), 20, "the worker misses the store")
    assert await stop(worker) < 2


async def test_settings_that_do_not_fit_end_it_at_once(station: Station, tmp_path: Path) -> None:
    for changes, text in (
        ({"HOOKLINE_REDIS_URL": ""}, "HOOKLINE_REDIS_URL is not set"),
        ({"HOOKLINE_PARTITIONS": "3"}, "this store was made with 2 partitions"),
    ):
        worker = Process("refused", [NORMAL], tmp_path, environment(station) | changes)
        worker.start()
        assert await asyncio.to_thread(worker.finish, 20.0) == 2
        assert text in worker.output()


async def test_a_replay_whose_job_never_reached_the_queue_is_found(station: Station, tmp_path: Path) -> None:
    await station.publish(3, "e")
    await station.settle()
    replay = await station.replay(await station.endpoint("shop"))
    away = Jobs(f"redis://127.0.0.1:{free_port()}")
    await away.start_replay(replay.id)
    away.close()
    worker = Process("worker", [QUICK], tmp_path, environment(station))
    worker.start()
    assert (await ended(station, replay)).status == "completed"
    await stop(worker)
