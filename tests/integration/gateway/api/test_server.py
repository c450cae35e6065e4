"""The gateway process: how it starts, what it says of a store that is away, how it ends."""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.store import connection
from gateway.store.api_keys import ApiKeys
from tests.support.process import Process
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import wait_until

READY = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"


class Gateway:
    """A gateway process and raw connections to it."""

    def __init__(self, directory: Path, url: str | None, **settings: str) -> None:
        self.port = free_port()
        environment = {
            "HOOKLINE_PORT": str(self.port),
            "HOOKLINE_DATA": str(directory),
            "HOOKLINE_PARTITIONS": "4",
            "HOOKLINE_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            **({"HOOKLINE_REDIS_URL": url} if url else {}),
            **settings,
        }
        self.process = Process("gateway", ("gateway.api.server",), directory, environment)

    def ask(self, data: bytes) -> tuple[int, bytes]:
        """Status and body of one request over a connection of its own; (0, b"") when nobody listens."""
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(data.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            with connection.makefile("rb") as answer:
                head, _, body = answer.read().partition(b"\r\n\r\n")
            return int(head.split(b" ")[1]), body
        return 0, b""

    def ready(self) -> int:
        """The status of /readyz."""
        return self.ask(READY)[0]

    def wait(self, status: int, seconds: float = 20.0) -> None:
        """Wait until /readyz answers this."""
        self.process.wait(lambda: self.ready() == status, seconds, f"/readyz answers {status}")


@contextlib.contextmanager
def running(gateway: Gateway) -> Iterator[Gateway]:
    """Start it, end it."""
    gateway.process.start()
    try:
        yield gateway
    finally:
        gateway.process.kill9()


def test_it_serves_and_ends_with_0_on_sigterm(valkey_url: str, tmp_path: Path) -> None:
    with ValkeyServer() as store, running(Gateway(tmp_path, store.url)) as gateway:
        gateway.wait(200)
        assert gateway.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") == (200, b'{"status":"alive"}')
        with socket.create_connection(("127.0.0.1", gateway.port)) as idle:
            idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(100).startswith(b"HTTP/1.1 200 OK\r\n")
            assert gateway.process.stop() < 5.0
        assert gateway.process.returncode == 0


def test_it_lives_without_a_store_and_goes_on_when_it_comes(tmp_path: Path) -> None:
    store = ValkeyServer(port=free_port())
    with running(Gateway(tmp_path, store.url)) as gateway:
        gateway.wait(503)
        assert gateway.ask(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")[0] == 200
        status, body = gateway.ask(b"GET /v1/subscribers HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (status, json.loads(body)["code"]) == (503, "store_unavailable")
        publish = b"POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
        assert gateway.ask(publish)[0] == 503
        with store:
            gateway.wait(200)
            assert gateway.ask(publish)[0] == 401


@pytest.mark.parametrize(
    ("settings", "said"),
    [({"appendfsync": "everysec"}, "fsync_not_always"), ({"maxmemory": "0"}, "no_memory_limit")],
)
def test_a_store_that_loses_data_is_refused_with_the_reason(
    tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    with ValkeyServer(settings) as store, running(Gateway(tmp_path, store.url)) as gateway:
        assert gateway.process.finish(20) == 1
        assert said in gateway.process.output()
        assert "Traceback" not in gateway.process.output()


def test_losses_can_be_accepted(tmp_path: Path) -> None:
    with ValkeyServer({"appendfsync": "everysec"}) as store:
        gateway = Gateway(tmp_path, store.url, HOOKLINE_ACCEPT_DATA_LOSS="1")
        with running(gateway):
            gateway.wait(200)
            assert b"fsync_not_always" in gateway.ask(READY)[1]


def test_another_partition_count_is_refused(tmp_path: Path) -> None:
    with ValkeyServer() as store:
        with running(Gateway(tmp_path, store.url)) as gateway:
            gateway.wait(200)
        with running(Gateway(tmp_path, store.url, HOOKLINE_PARTITIONS="8")) as gateway:
            assert gateway.process.finish(20) == 1
            assert "HOOKLINE_PARTITIONS=4" in gateway.process.output()


def test_a_taken_port_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    with ValkeyServer() as store, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(Gateway(tmp_path, store.url, HOOKLINE_PORT=str(port))) as gateway:
            assert gateway.process.finish(20) == 1
            last = gateway.process.output().splitlines()[-1]
            assert f"cannot listen on 127.0.0.1:{port}" in last
            assert "HOOKLINE_PORT" in last


@pytest.mark.parametrize(
    ("url", "settings", "said"),
    [
        (None, {}, "HOOKLINE_REDIS_URL is not set"),
        ("redis://127.0.0.1:1/0", {"HOOKLINE_POTR": "1"}, "HOOKLINE_POTR is not a setting"),
        ("redis://127.0.0.1:1/0", {"HOOKLINE_ENCRYPTION_KEYS": "x"}, "HOOKLINE_ENCRYPTION_KEYS"),
    ],
)
def test_settings_that_are_none(tmp_path: Path, url: str | None, settings: dict[str, str], said: str) -> None:
    with running(Gateway(tmp_path, url, **settings)) as gateway:
        assert gateway.process.finish(20) in {1, 2}
        assert said in gateway.process.output()
        assert "Traceback" not in gateway.process.output()


def test_a_request_that_runs_at_the_end_is_answered(tmp_path: Path) -> None:
    body = b'{"id":"late","kind":"external"}'
    with ValkeyServer() as store, running(Gateway(tmp_path, store.url)) as gateway:
        gateway.wait(200)
        key = asyncio.run(_make_key(store.url))
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as slow:
            head = f"POST /v1/subscribers HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            slow.sendall(head.encode() + body[:5])
            gateway.wait(200)
            os.kill(gateway.process.pid, signal.SIGTERM)
            wait_until(lambda: gateway.ready() == 0, 10, "nobody listens")
            slow.sendall(body[5:])
            with slow.makefile("rb") as answer:
                assert answer.read().startswith(b"HTTP/1.1 201 Created\r\n")
        assert gateway.process.finish(10) == 0


async def _make_key(url: str) -> str:
    redis = connection.connect(url)
    _, secret = await ApiKeys(redis, SystemClock()).create("test", ["admin"])
    await redis.aclose()
    return secret
