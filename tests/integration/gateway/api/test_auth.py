"""API keys on a real store: what is remembered, and when it is forgotten."""

from collections.abc import AsyncIterator

import pytest

from gateway.api import auth
from gateway.api.auth import Authenticator
from gateway.clock import SystemClock
from gateway.model.api_key import ApiKey
from gateway.problems import Problem
from gateway.store import connection
from gateway.store.api_keys import ApiKeys
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from tests.support.valkey import ValkeyServer


class Shifted(SystemClock):
    """The machine's clock, moved by hand."""

    def __init__(self) -> None:
        self.shift = 0.0

    def monotonic(self) -> float:
        """Seconds, with the shift."""
        return super().monotonic() + self.shift


class Door:
    """An authenticator with everything around it."""

    def __init__(self, url: str) -> None:
        self.redis = connection.connect(url)
        self.waiting = connection.connect(url)
        self.clock = Shifted()
        self.keys = ApiKeys(self.redis, self.clock)
        self.authenticator = Authenticator(self.keys, Registry(self.redis, self.clock), self.waiting, self.clock)

    async def header(self) -> bytes:
        """The Authorization header of a new key."""
        _, secret = await self.keys.create("test", ["publish"])
        return f"Bearer {secret}".encode()


@pytest.fixture
async def door(valkey_url: str) -> AsyncIterator[Door]:
    found = Door(valkey_url)
    await found.redis.flushall()
    yield found
    await found.redis.aclose()
    await found.waiting.aclose()


async def refused(door: Door, header: bytes | None) -> str:
    """The detail of the 401."""
    with pytest.raises(Problem) as caught:
        await door.authenticator.identify(header)
    assert caught.value.code == "unauthorized"
    return caught.value.detail


async def test_a_key_is_looked_up_then_remembered(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    assert door.authenticator.authenticate(header) is None
    key = await door.authenticator.identify(header)
    assert door.authenticator.authenticate(header) is key
    assert key.name == "test"


async def test_nothing_is_remembered_before_the_follower_has_read(door: Door) -> None:
    header = await door.header()
    await door.authenticator.identify(header)
    assert door.authenticator.authenticate(header) is None


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Basic hk_abc",
        b"hk_" + b"A" * 43,
        b"Bearer hk_" + b"A" * 43,
        b"Bearer hk_" + b"A" * 42 + b"\xff",
        b"Bearer hk_" + b"A" * 43 + b", Bearer x",
        b"Bearer " + b"x" * 10_000,
    ],
)
async def test_anything_else_is_refused_in_few_words(door: Door, header: bytes) -> None:
    detail = await refused(door, header)
    assert "hk_A" not in detail


async def test_the_scheme_is_case_insensitive_and_nothing_is_refused_with_a_hint(door: Door) -> None:
    header = await door.header()
    assert (await door.authenticator.identify(b"bearer" + header[6:])).name == "test"
    assert "curl" in await refused(door, None)


async def test_a_revoked_key_is_forgotten_as_soon_as_the_follower_reads_of_it(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    key = await door.authenticator.identify(header)
    await door.keys.revoke(key.id)
    assert door.authenticator.authenticate(header) is key
    assert await door.authenticator.run_once(block_ms=1) == 1
    assert door.authenticator.authenticate(header) is None
    await refused(door, header)


async def test_changes_of_other_things_forget_nothing(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    key = await door.authenticator.identify(header)
    await door.redis.xadd(RegistryKeys.changes, {"kind": "endpoint", "id": "ep_1"})
    await door.authenticator.run_once(block_ms=1)
    assert door.authenticator.authenticate(header) is key


async def test_what_is_remembered_counts_only_while_the_follower_is_fresh(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    await door.authenticator.identify(header)
    door.clock.shift = auth.FRESH_SECONDS + 0.1
    assert door.authenticator.authenticate(header) is None
    assert (await door.authenticator.identify(header)).name == "test"


async def test_a_change_stream_that_was_replaced_forgets_everything(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    await door.authenticator.identify(header)
    await door.redis.delete(RegistryKeys.changes)
    await door.redis.xadd(RegistryKeys.changes, {"kind": "start", "id": ""})
    await door.authenticator.run_once(block_ms=1)
    assert door.authenticator.authenticate(header) is None


async def test_a_look_up_that_began_before_a_revocation_is_not_remembered(door: Door) -> None:
    header = await door.header()
    await door.authenticator.run_once(block_ms=1)
    inner = door.keys.find

    class Slow:
        """Looks up, and meanwhile the key is revoked and read of."""

        async def find(self, secret: str) -> ApiKey | None:
            found = await inner(secret)
            assert found is not None
            await door.keys.revoke(found.id)
            await door.authenticator.run_once(block_ms=1)
            return found

    door.authenticator._keys = Slow()
    await door.authenticator.identify(header)
    assert door.authenticator.authenticate(header) is None


async def test_a_store_that_is_gone_is_not_a_wrong_key(valkey_server: ValkeyServer) -> None:
    found = Door(valkey_server.url)
    header = await found.header()
    valkey_server.kill9()
    with pytest.raises(connection.UNAVAILABLE):
        await found.authenticator.identify(header)
    await found.redis.aclose()
    await found.waiting.aclose()


def test_scopes() -> None:
    key = ApiKey("key_1", "n", ("read",))
    auth.require_scope(key, "read")
    with pytest.raises(Problem, match="needs the scope manage, the key has read"):
        auth.require_scope(key, "manage")
    auth.require_scope(ApiKey("key_2", "n", ("admin",)), "publish")
