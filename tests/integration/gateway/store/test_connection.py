"""Connections that break are replaced without a word, whatever the event loop calls it."""

import asyncio
import contextlib
from typing import Any

import uvloop
from redis import exceptions

from gateway.store import connection
from tests.support.proxy import Proxy
from tests.support.valkey import ValkeyServer
from tests.support.waiting import until


def test_a_connection_that_uvloop_finds_closed_is_opened_again(valkey_url: str) -> None:
    """Closed under redis-py, between its look at it and its write: uvloop raises RuntimeError then."""

    async def work() -> None:
        client = connection.connect(valkey_url)
        assert await client.ping()
        (held,) = client.connection_pool._available_connections
        assert held._writer is not None
        held._writer.transport.abort()
        await asyncio.get_running_loop().run_in_executor(None, int)
        with contextlib.suppress(exceptions.ConnectionError):
            await held.send_command("PING", check_health=False)
        assert await client.ping()
        await client.aclose()

    uvloop.run(work())


def test_a_link_that_uvloop_finds_reset_is_opened_again(valkey_server: ValkeyServer) -> None:
    """Reset by the other side, the stream has an error and no end: it looks sound until it is written to."""

    async def work(proxy: Proxy) -> None:
        client = connection.connect(proxy.url)
        assert await client.wire.send([("PING",)]) == [b"PONG"]
        proxy.reset()
        await until(client.wire._idle[0]._reader.exception, 5, "the reset")  # type: ignore[attr-defined]  # redis-py's
        assert await client.wire.send([("PING",)]) == [b"PONG"]
        await client.aclose()

    with Proxy(valkey_server.port) as proxy:
        uvloop.run(work(proxy))


async def test_a_blocking_read_that_a_change_of_role_ends_means_not_now(valkey_server: ValkeyServer) -> None:
    client = connection.connect(valkey_server.url)
    error: Any = None

    async def read() -> None:
        nonlocal error
        try:
            await client.xread({"changes": "$"}, block=4_000)
        except exceptions.RedisError as raised:
            error = raised

    reading = asyncio.create_task(read())
    while not (await client.info("clients"))["blocked_clients"]:
        pass
    await client.replicaof("127.0.0.1", 1)
    await reading
    await client.replicaof("NO", "ONE")
    await client.aclose()
    assert isinstance(error, exceptions.ResponseError)
    assert connection.is_unavailable(error)
