"""The queue: RQ's keys under our prefix, JSON, and texts as arguments."""

import json
import os
import subprocess
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from gateway.settings import Settings
from gateway.store import jobs
from gateway.store.jobs import Jobs
from tests.support.process import clean_environment
from tests.support.valkey import free_port


@pytest.fixture
def client(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def queue(client: redis.Redis, valkey_url: str) -> Iterator[Jobs]:
    queue = Jobs(valkey_url)
    yield queue
    queue.close()


def stored(client: redis.Redis, job_id: str) -> dict[bytes, bytes]:
    found: Any = client.hgetall(f"hookline:job:{job_id}")
    return dict(found)


async def test_a_started_replay_is_a_job_of_texts_in_json(client: redis.Redis, queue: Jobs) -> None:
    await queue.start_replay("rpl_1")
    assert queue.holds("rpl_1", "")
    assert queue.waiting() == 1
    job = stored(client, "rpl_1-first")
    assert json.loads(zlib.decompress(job[b"data"])) == [jobs.REPLAY, None, ["rpl_1", ""], {}]
    assert (job[b"timeout"], job[b"result_ttl"], job[b"failure_ttl"]) == (b"75", b"0", b"3600")
    names: Any = client.keys("*")
    assert all(name.startswith(b"hookline:") for name in names)


def test_a_job_waits_under_the_token_of_its_slice(client: redis.Redis, queue: Jobs) -> None:
    queue.put("rpl_1", "0123abcd")
    assert queue.holds("rpl_1", "0123abcd")
    assert not queue.holds("rpl_1", "")
    assert not queue.holds("rpl_2", "0123abcd")
    queue.put("rpl_1", "0123abcd")
    assert len(stored(client, "rpl_1-0123abcd")) > 5


async def test_a_queue_that_is_away_does_not_fail_the_start(caplog: pytest.LogCaptureFixture) -> None:
    away = Jobs(f"redis://127.0.0.1:{free_port()}")
    await away.start_replay("rpl_1")
    assert [record.getMessage() for record in caplog.records] == ["job.not_queued"]
    with pytest.raises(redis.exceptions.ConnectionError):
        away.put("rpl_1", "")
    away.close()


def test_the_jobs_may_live_in_another_redis() -> None:
    assert jobs.url(Settings(redis_url="redis://a"), "redis://a") == "redis://a"
    assert jobs.url(Settings(redis_url="redis://a", jobs_redis_url="redis://b"), "redis://a") == "redis://b"


def test_rq_must_not_be_imported_before_its_prefix_is_set() -> None:
    environment = {name: value for name, value in clean_environment().items() if name != "RQ_KEY_PREFIX"}
    program = "import rq\nimport gateway.store.jobs"
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert "rq was imported before gateway.store.jobs" in ended.stderr
    assert os.environ["RQ_KEY_PREFIX"] == jobs.PREFIX
