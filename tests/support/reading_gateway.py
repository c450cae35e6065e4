"""A gateway over ASGI on a store that the real scripts filled, without a dispatcher: for tests of reading back.

async with opened(url, tmp_path) as gateway:
    number = await gateway.endpoint("payments")
    await gateway.filled.settle(await gateway.filled.publish(), {number: Record(...)})
    page = await gateway.get("/v1/deliveries", status="dead")
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec

from gateway.api.app import Gateway, Opened
from gateway.api.openapi import Route
from gateway.api.opening import open_gateway
from gateway.clock import SystemClock
from gateway.model.api_key import Scope
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Kind, Subscriber
from gateway.settings import Settings
from gateway.store import connection, event_list
from gateway.store.api_keys import ApiKeys
from gateway.store.registry import Registry
from gateway.store.replays import Replays
from gateway.store.vault import Vault
from tests.support.filled_store import FilledStore
from tests.support.sealed import sealed

SCOPES: tuple[Scope, ...] = ("read", "manage")


class ReadingGateway:
    """The client's side of it; `get` and `post` return whatever was answered."""

    def __init__(self, filled: FilledStore, registry: Registry, keys: ApiKeys, vault: Vault, app: Gateway) -> None:
        self.filled, self.registry, self._keys, self._vault, self._app = filled, registry, keys, vault, app
        self.replays = Replays(filled.redis, SystemClock())
        self._transport = httpx.ASGITransport(app=app)
        self.key = ""

    async def make_key(self, scopes: Sequence[Scope] = SCOPES, subscriber: str | None = None) -> str:
        """A new API key."""
        _, secret = await self._keys.create("test", scopes, subscriber)
        return secret

    async def request(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Any request with a key, by default one that reads and manages."""
        headers = {"authorization": f"Bearer {key or self.key}"}
        async with httpx.AsyncClient(transport=self._transport, base_url="http://gateway", headers=headers) as client:
            return await client.request(method, path, **options)

    async def get(self, path: str, key: str | None = None, **query: Any) -> Any:
        """The JSON of a GET, whatever the status."""
        return (await self.request("GET", path, key, params=query)).json()

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """A POST with a JSON body, or without one."""
        return await self.request("POST", path, key, **({} if body is None else {"json": body}))

    async def pages(self, path: str, key: str | None = None, **query: Any) -> list[Any]:
        """Every item of a list, page by page."""
        items: list[Any] = []
        while True:
            page = await self.get(path, key, **query)
            items += page["data"]
            if page["next"] is None:
                return items
            query["cursor"] = page["next"]

    async def endpoint(
        self, name: str, subscriber: str = "shop", kind: Kind = "internal", patterns: Sequence[str] = ("*",)
    ) -> int:
        """A new endpoint; its number."""
        if await self.registry.get_subscriber(subscriber) is None:
            await self.registry.create_subscriber(Subscriber(subscriber, kind))
        secrets = sealed(self._vault, name)
        new = Endpoint(name, 0, subscriber, kind, "https://example.com/hook", tuple(patterns), secrets=secrets)
        return (await self.registry.create_endpoint(new)).number

    async def change(self, name: str, **fields: Any) -> None:
        """Change an endpoint in the registry."""
        old = await self.registry.get_endpoint(name)
        assert old is not None
        await self.registry.update_endpoint(msgspec.structs.replace(old, **fields), old.revision)

    async def past_the_frontier(self, *, recorded: bool = True) -> None:
        """Return once everything that was accepted before is listed in ascending order too."""
        now = await connection.store_ms(self.filled.redis)
        while await event_list.frontier(self.filled.redis, self.filled.partitions, recorded=recorded) <= (now, 0):
            pass


async def _never(_replay: str) -> None:
    raise AssertionError("nothing is replayed here")


@contextlib.asynccontextmanager
async def _open(settings: Settings, url: str) -> AsyncIterator[Opened]:
    """Without the loops that run beside: each call asks the store who calls."""
    async with open_gateway(settings, url, SystemClock(), _never) as found:
        yield found._replace(loops=())


@contextlib.asynccontextmanager
async def opened(url: str, data: Path, routes: Sequence[Route]) -> AsyncIterator[ReadingGateway]:
    """The gateway on the emptied store at `url`, with these routes."""
    clock = SystemClock()
    settings = Settings(data=data)
    async with connection.connect(url) as redis:
        filled = await FilledStore.open(redis, settings.partition_count)
        app = Gateway(functools.partial(_open, settings, url), clock, routes)
        async with app.running():
            assert app.failure is None
            vault = Vault.from_settings(settings, data)
            gateway = ReadingGateway(filled, Registry(redis, clock), ApiKeys(redis, clock), vault, app)
            gateway.key = await gateway.make_key()
            yield gateway
