from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from gateway.store import connection, durability
from gateway.store.durability import DurabilityRefused
from tests.support.valkey import ValkeyServer, free_port


@asynccontextmanager
async def store(settings: Mapping[str, str]) -> AsyncIterator[Redis]:
    with ValkeyServer(settings) as server:
        redis = connection.connect(server.url)
        yield redis
        await redis.aclose()


async def codes(redis: Redis) -> list[str]:
    return [risk.code for risk in await durability.check(redis)]


async def test_the_durable_settings_are_accepted() -> None:
    async with store({}) as redis:
        assert await durability.require(redis, accept_data_loss=False) == []


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        ("appendonly", "no", "aof_off"),
        ("appendfsync", "everysec", "fsync_not_always"),
        ("no-appendfsync-on-rewrite", "yes", "fsync_paused_on_rewrite"),
        ("aof-load-truncated", "no", "truncated_aof_refused"),
        ("maxmemory", "0", "no_memory_limit"),
        ("maxmemory-policy", "allkeys-lru", "evicts"),
    ],
)
async def test_each_other_setting_is_refused_by_name_unless_accepted(setting: str, value: str, code: str) -> None:
    async with store({setting: value}) as redis:
        with pytest.raises(DurabilityRefused, match=code) as caught:
            await durability.require(redis, accept_data_loss=False)
        assert [risk.code for risk in caught.value.risks] == [code]
        assert [risk.code for risk in await durability.require(redis, accept_data_loss=True)] == [code]


async def test_every_reason_is_listed_and_the_printed_way_out_works() -> None:
    async with store({"appendfsync": "everysec", "maxmemory-policy": "allkeys-lru", "maxmemory": "0"}) as redis:
        assert await codes(redis) == ["fsync_not_always", "evicts", "no_memory_limit"]
        await redis.config_set("maxmemory-policy", "noeviction", "appendfsync", "always", "maxmemory", "100mb")
        assert await codes(redis) == []


async def test_a_replica_is_refused_even_with_the_flag() -> None:
    async with store({}) as redis:
        await redis.execute_command("REPLICAOF", "127.0.0.1", str(free_port()))
        with pytest.raises(DurabilityRefused, match="not_master"):
            await durability.require(redis, accept_data_loss=True)


async def test_a_store_that_hides_its_settings_is_unknown_and_needs_the_flag() -> None:
    async with store({}) as redis:
        await redis.execute_command("ACL", "SETUSER", "default", "-config")
        with pytest.raises(DurabilityRefused, match="unknown: the store hides appendfsync"):
            await durability.require(redis, accept_data_loss=False)
        (risk,) = await durability.require(redis, accept_data_loss=True)
        assert risk.code == "unknown"


async def test_memory_is_what_counts_against_the_limit(valkey_url: str) -> None:
    redis = connection.connect(valkey_url)
    found = await durability.memory(redis)
    await redis.aclose()
    assert found.limit == 256 * 1024 * 1024
    assert 0 < found.used < found.limit
    assert found.share == found.used / found.limit
