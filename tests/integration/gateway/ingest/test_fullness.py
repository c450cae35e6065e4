"""Fullness on a real store: refuse from 90 %, take again below 88 %."""

import pytest
from redis.asyncio import Redis

from gateway.clock import SystemClock
from gateway.ingest.fullness import Fullness
from gateway.problems import Problem
from gateway.store import connection
from tests.support.valkey import ValkeyServer


async def _limit(redis: Redis, share: float) -> None:
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", int(used / share))


async def test_it_refuses_from_90_percent_until_below_88(valkey_server: ValkeyServer) -> None:
    redis = connection.connect(valkey_server.url)
    await redis.set("ballast", b"x" * 20_000_000)
    fullness = Fullness(redis, SystemClock())
    for share, full in ((0.85, False), (0.89, False), (0.92, True), (0.89, True), (0.86, False)):
        await _limit(redis, share)
        await fullness.run_once()
        assert fullness.full is full, share
    fullness.check()
    await _limit(redis, 0.95)
    await fullness.run_once()
    with pytest.raises(Problem) as caught:
        fullness.check()
    assert caught.value.code == "store_full"
    await redis.aclose()
