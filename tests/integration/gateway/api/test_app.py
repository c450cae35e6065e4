"""The application as a whole: opening, waiting, failing, ending."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.api.app import Gateway, Opened, create_app
from gateway.api.opening import open_gateway
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store.durability import DurabilityRefused
from tests.support.valkey import ValkeyServer
from tests.support.waiting import until


async def _nothing(_replay: str) -> None:
    """No replay."""


def make(url: str, data: Path) -> Gateway:
    """An application that is not running yet."""
    clock = SystemClock()
    return create_app(functools.partial(open_gateway, Settings(data=data), url, clock, _nothing), clock)


async def status(app: Gateway, path: str, method: str = "GET") -> int:
    """The status of a request without a key."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway") as client:
        return (await client.request(method, path)).status_code


async def test_it_opens_at_once_when_the_store_is_there(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    app = make(valkey_server.url, tmp_path)
    assert app.current() is None
    async with app.running():
        assert app.current() is not None
        assert await status(app, "/v1/events", "POST") == 401
    assert app.current() is None
    assert app.failure is None


async def test_it_opens_later_when_the_store_comes_later(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    valkey_server.kill9()
    app = make(valkey_server.url, tmp_path)
    async with app.running():
        assert await status(app, "/livez") == 200
        for path, method in (("/readyz", "GET"), ("/v1/endpoints", "GET"), ("/v1/events", "POST")):
            assert await status(app, path, method) == 503
        assert await status(app, "/v1/events/batch", "GET") == 405
        valkey_server.restart()
        await until(app.current, 20, "the gateway opens")
        assert await status(app, "/v1/events", "POST") == 401


async def test_it_fails_when_waiting_does_not_help(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    refusing = ValkeyServer({"appendonly": "no"})
    with refusing:
        app = make(refusing.url, tmp_path)
        async with app.running():
            assert isinstance(app.failure, DurabilityRefused)
            assert app.ended.is_set()
            assert await status(app, "/readyz") == 503


async def test_a_loop_that_breaks_is_a_failure(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async def breaks() -> None:
        raise ValueError("a bug")

    @contextlib.asynccontextmanager
    async def opening() -> AsyncIterator[Opened]:
        async with open_gateway(Settings(data=tmp_path), valkey_server.url, SystemClock(), _nothing) as found:
            yield found._replace(loops=(*found.loops, breaks))

    app = Gateway(opening, SystemClock(), ())
    async with app.running():
        await asyncio.wait_for(app.ended.wait(), 5)
        assert str(app.failure) == "a bug"


@pytest.mark.parametrize("alive", [True, False])
async def test_lifespan(valkey_server: ValkeyServer, tmp_path: Path, alive: bool) -> None:
    if not alive:
        await _lose_data(valkey_server)
    received = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[str] = []

    async def receive() -> Any:
        return received.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await make(valkey_server.url, tmp_path)({"type": "lifespan"}, receive, send)
    expected = ["lifespan.startup.complete", "lifespan.shutdown.complete"] if alive else ["lifespan.startup.failed"]
    assert sent == expected


async def _lose_data(server: ValkeyServer) -> None:
    server.stop()
    server.settings["appendfsync"] = "everysec"
    server.start()


async def test_other_protocols_are_ignored(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async def never(*_: Any) -> Any:
        raise AssertionError

    await make(valkey_server.url, tmp_path)({"type": "websocket"}, never, never)
