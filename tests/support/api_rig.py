"""The whole gateway over ASGI on an emptied real store, without a dispatcher: for tests of the API's routes.

Every answer is held against the API's own description, see `tests.support.described`.

async with opened(url, tmp_path) as rig:
    await rig.post("/v1/subscribers", {"id": "shop", "kind": "internal"})
    await rig.get("/v1/subscribers", key=await rig.key("read"))
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
from redis.asyncio import Redis

from gateway.api.app import Gateway, create_app
from gateway.api.opening import open_gateway
from gateway.api.services import Services
from gateway.clock import SystemClock
from gateway.model.api_key import SCOPES, Scope
from gateway.settings import Settings
from gateway.store import connection
from gateway.store.api_keys import ApiKeys
from tests.support import described

PARTITIONS = 4
URL = "https://hooks.example.com/in"
INTERNAL_URL = "http://127.0.0.1:8999/in"


class Rig:
    """A client whose key has the scope `admin`; `started` are the replays whose job was queued."""

    def __init__(self, app: Gateway, redis: Redis, started: list[str]) -> None:
        self.app, self.redis, self.started = app, redis, started
        self.api_keys = ApiKeys(redis, SystemClock())
        self._transport = httpx.ASGITransport(app=app)
        self.admin = ""

    @property
    def services(self) -> Services:
        """The opened services."""
        found = self.app.current()
        assert found is not None
        return found

    async def key(self, *scopes: Scope, subscriber: str | None = None) -> str:
        """A new API key."""
        _, secret = await self.api_keys.create("test", scopes, subscriber)
        return secret

    async def call(
        self, method: str, path: str, key: str | None = None, headers: Mapping[str, str] | None = None, **options: Any
    ) -> httpx.Response:
        """Any request; `key` "" sends none, None sends the admin's."""
        secret = self.admin if key is None else key
        sent = {**({"authorization": f"Bearer {secret}"} if secret else {}), **(headers or {})}
        async with httpx.AsyncClient(transport=self._transport, base_url="http://gateway", headers=sent) as client:
            answer = await client.request(method, path, **options)
        described.check(answer)
        return answer

    async def raw(self, method: str, path: str, headers: Sequence[tuple[str, str]]) -> httpx.Response:
        """A request with exactly these headers, and Host; the path goes out as it is."""
        request = httpx.Request(method, "http://gateway", headers=[("host", "gateway"), *headers])
        request.url = request.url.copy_with(raw_path=path.encode())
        return await _read(await self._transport.handle_async_request(request))

    async def api_keys_with(self, scope: str) -> str:
        """A new API key with one scope, given by name."""
        return await self.key(next(one for one in SCOPES if one == scope))

    async def get(self, path: str, key: str | None = None) -> httpx.Response:
        """GET."""
        return await self.call("GET", path, key)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        """POST with a JSON body, or without any."""
        return await self.call("POST", path, key, **({} if body is None else {"json": body}))

    async def put(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """PUT."""
        return await self.call("PUT", path, key, json=body)

    async def patch(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        """PATCH."""
        return await self.call("PATCH", path, key, json=body)

    async def delete(self, path: str, key: str | None = None) -> httpx.Response:
        """DELETE."""
        return await self.call("DELETE", path, key)

    async def internal(self, subscriber: str = "shop", *endpoints: str) -> None:
        """An internal subscriber with endpoints of these ids."""
        inline = [{"id": name, "url": INTERNAL_URL} for name in endpoints]
        answer = await self.post("/v1/subscribers", {"id": subscriber, "kind": "internal", "endpoints": inline})
        assert answer.status_code == 201, answer.text

    async def external(self, subscriber: str = "acme", *endpoints: str) -> None:
        """An external subscriber with endpoints of these ids."""
        inline = [{"id": name, "url": URL} for name in endpoints]
        answer = await self.post("/v1/subscribers", {"id": subscriber, "kind": "external", "endpoints": inline})
        assert answer.status_code == 201, answer.text

    async def stored(self) -> int:
        """How many keys the store has: nothing is stored when a 4xx is answered."""
        return int(await self.redis.dbsize())


@contextlib.asynccontextmanager
async def opened(url: str, data: Path) -> AsyncIterator[Rig]:
    """The gateway on the emptied store at `url`; loopback is allowed as a target of internal subscribers."""
    redis, clock = connection.connect(url), SystemClock()
    await redis.flushall()
    settings = Settings(data=data, partitions=PARTITIONS, egress_allow=("127.0.0.0/8",))
    started: list[str] = []

    async def start_replay(replay_id: str) -> None:
        started.append(replay_id)

    app = create_app(functools.partial(open_gateway, settings, url, clock, start_replay), clock)
    async with app.running():
        assert app.failure is None, app.failure
        rig = Rig(app, redis, started)
        rig.admin = await rig.key("admin")
        yield rig
    await redis.aclose()


async def _read(answer: httpx.Response) -> httpx.Response:
    await answer.aread()
    return answer


def fields_of(answer: httpx.Response) -> set[str]:
    """The names of the fields that a 422 refuses."""
    assert answer.status_code == 422, answer.text
    return {error["field"] for error in answer.json()["errors"]}


def code_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]
