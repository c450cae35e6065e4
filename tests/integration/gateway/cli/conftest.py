"""A store of its own for each test of a command."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway import settings as configuration
from gateway.settings import Settings
from gateway.store import connection


@pytest.fixture
def settings(valkey_url: str) -> Settings:
    """The settings of a deployment on the session's server."""
    return configuration.load({"HOOKLINE_REDIS_URL": valkey_url})


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    """A client of it, emptied."""
    client = connection.connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()
