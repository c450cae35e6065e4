"""An empty store, and a client that repeats every script, as redis-py does when a reply is lost."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.store import connection
from tests.integration.gateway.store.clock import HandClock


class RepeatingRedis(Redis):
    """Sends every script twice and gives the second answer: the first one was lost on the way."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        send: Any = super().execute_command
        if args[0] in {"EVALSHA", "EVAL"}:
            await send(*args, **options)
        return await send(*args, **options)


@pytest.fixture(params=["replies arrive", "first replies are lost"])
async def redis(request: pytest.FixtureRequest, valkey_url: str) -> AsyncIterator[Redis]:
    """A client of the emptied shared store."""
    lossy = request.param != "replies arrive"
    client = RepeatingRedis.from_url(valkey_url, protocol=3) if lossy else connection.connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def plain_redis(valkey_url: str) -> AsyncIterator[Redis]:
    """The same without repetition, for what is not about scripts."""
    client = connection.connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def clock() -> HandClock:
    """A wall clock that moves only when a test says so."""
    return HandClock()
