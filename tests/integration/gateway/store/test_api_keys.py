import hashlib
import re
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.store import api_keys
from gateway.store.api_keys import ApiKeys
from gateway.store.changes import Change
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock


@pytest.fixture
def keys(redis: Redis, clock: HandClock) -> ApiKeys:
    return ApiKeys(redis, clock)


async def test_a_key_is_found_by_its_text_and_stored_as_its_hash_only(
    keys: ApiKeys, redis: Redis, clock: HandClock
) -> None:
    key, secret = await keys.create("ci", ["publish", "read"], "acme")
    assert re.fullmatch(r"hk_[A-Za-z0-9_-]{43}", secret)
    assert (key.name, key.scopes, key.subscriber, key.created_ms) == ("ci", ("publish", "read"), "acme", clock.ms)
    assert key.id.startswith("key_")
    assert await keys.find(secret) == key
    stored: Any = await redis.hgetall(RegistryKeys.api_keys)
    assert list(stored) == [hashlib.sha256(secret.encode()).hexdigest().encode()]
    assert secret.encode() not in b"".join(stored.values())
    assert api_keys.digest(secret).encode() in stored


@pytest.mark.parametrize("text", ["", "hk_", "hk_" + "a" * 43, "hk_" + "a" * 42, "sk_" + "a" * 43, "hk_" + "é" * 43])
async def test_any_other_text_finds_nothing(keys: ApiKeys, text: str) -> None:
    _, secret = await keys.create("ci", ["read"])
    assert await keys.find(text) is None
    assert await keys.find(secret + "\n") is None
    assert await keys.find(secret[:-1]) is None


async def test_a_revoked_key_is_gone(keys: ApiKeys) -> None:
    key, secret = await keys.create("ci", ["read"])
    other, other_secret = await keys.create("ops", ["admin"])
    assert await keys.revoke(key.id)
    assert not await keys.revoke(key.id)
    assert await keys.find(secret) is None
    assert await keys.find(other_secret) == other
    assert await keys.list_all() == [other]


async def test_keys_are_listed_oldest_first(keys: ApiKeys, clock: HandClock) -> None:
    assert await keys.list_all() == []
    for name in ("b", "c", "a"):
        clock.ms += 1
        await keys.create(name, ["read"])
    assert [key.name for key in await keys.list_all()] == ["b", "c", "a"]


async def test_making_and_revoking_are_announced_once(keys: ApiKeys, redis: Redis, clock: HandClock) -> None:
    registry = Registry(redis, clock)
    cursor = await registry.changes_tail()
    key, _ = await keys.create("ci", ["read"])
    await keys.revoke(key.id)
    assert (await registry.changes_since(cursor)).changes == (Change("api_key", key.id),) * 2
