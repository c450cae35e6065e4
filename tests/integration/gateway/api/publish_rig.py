"""The publishing routes over ASGI on a real store, without a dispatcher."""

import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from gateway.api import routes
from gateway.api.app import Gateway
from gateway.api.opening import open_gateway
from gateway.clock import SystemClock
from gateway.model.api_key import Scope
from gateway.settings import Settings
from gateway.store import connection, keys
from gateway.store.api_keys import ApiKeys

PARTITIONS = 4


class Rig:
    """A client with a key that publishes."""

    def __init__(self, client: httpx.AsyncClient, redis: Any, api_keys: ApiKeys) -> None:
        self.client, self.redis, self._api_keys = client, redis, api_keys
        self.partitions = [keys.PartitionKeys(number, PARTITIONS) for number in range(PARTITIONS)]

    async def key(self, *scopes: Scope, subscriber: str | None = None) -> dict[str, str]:
        """The headers of a new key."""
        _, secret = await self._api_keys.create("shop", scopes, subscriber)
        return {"authorization": f"Bearer {secret}", "content-type": "application/json"}

    async def stored(self) -> int:
        """How many events the logs have."""
        return sum([await self.redis.xlen(p.log) for p in self.partitions])


async def _no_replays(_replay: str) -> None:
    raise AssertionError("no replay is started here")


@contextlib.asynccontextmanager
async def opened(url: str, data: Path) -> AsyncIterator[Rig]:
    """A gateway on an emptied store."""
    redis = connection.connect(url)
    await redis.flushall()
    clock = SystemClock()
    settings = Settings(data=data, partitions=PARTITIONS)
    opening = functools.partial(open_gateway, settings, url, clock, _no_replays)
    app = Gateway(opening, clock, routes.ROUTES, routes.HOT)
    async with app.running():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield Rig(client, redis, ApiKeys(redis, clock))
    await redis.aclose()
