"""The power cut must lose what was not synced, and nothing else."""

import pytest
import redis

from tests.support import power, shims
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim")


def test_what_was_synced_survives() -> None:
    with power.UnsafePower() as store, redis.Redis.from_url(store.url) as client:
        for number in range(50):
            client.rpush("list", number)
        store.power_cut()
        store.start()
        assert client.llen("list") == 50


def test_what_was_not_synced_is_lost() -> None:
    with power.UnsafePower({"appendfsync": "no"}) as store, redis.Redis.from_url(store.url) as client:
        for _ in range(2_000):
            client.rpush("list", b"x" * 100)
        assert store.power_cut() > 0
        store.start()
        assert client.llen("list") < 2_000


def test_a_cut_before_any_sync_of_a_second_run_keeps_the_first() -> None:
    with power.UnsafePower() as store, redis.Redis.from_url(store.url) as client:
        client.set("first", 1)
        store.power_cut()
        store.start()
        store.power_cut()
        store.start()
        assert client.get("first") == b"1"


def test_a_slow_disk_delays_the_answer() -> None:
    with power.UnsafePower() as store, redis.Redis.from_url(store.url, socket_timeout=0.2) as client:
        client.set("quick", 1)
        store.slow_disk(10_000)
        with pytest.raises(redis.TimeoutError):
            client.set("slow", 1)
        store.slow_disk(0)
        store.power_cut()
        store.start()
        assert client.get("quick") == b"1"


def test_the_shim_sees_each_sync() -> None:
    with power.UnsafePower() as store, redis.Redis.from_url(store.url) as client:
        before = sum(store.synced().values())
        client.set("a", "x" * 1000)
        wait_until(lambda: sum(store.synced().values()) >= before + 1000, 2, "the sync of one write")
