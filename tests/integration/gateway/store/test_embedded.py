"""The embedded store: a real server with the durable settings, at an address that only its owner can read."""

import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.store import connection, durability, embedded
from tests.support.haste import HastyClock

MB = 1_048_576


class Running:
    """A prepared store and its process."""

    def __init__(self, prepared: embedded.Embedded) -> None:
        self.url = prepared.url
        self.process = subprocess.Popen(prepared.command, stdout=subprocess.DEVNULL, start_new_session=True)

    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(10)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    server = Running(embedded.prepare(tmp_path, maxmemory=64 * MB))
    assert await embedded.wait_ready(server.url, server.alive, SystemClock())
    yield server
    server.end()


async def test_the_guard_finds_nothing(running: Running) -> None:
    redis = connection.connect(running.url)
    assert await durability.check(redis) == []
    settings = await redis.config_get(*embedded.DURABLE, "maxmemory")
    assert settings == {**embedded.DURABLE, "maxmemory": str(64 * MB)}
    await redis.aclose()


async def test_it_listens_on_a_socket_in_its_own_folder(running: Running, tmp_path: Path) -> None:
    assert running.url == f"unix://{tmp_path}/store/valkey.sock"
    assert embedded.running_url(tmp_path) == running.url
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "store" / "valkey.sock").stat().st_mode & 0o777 == 0o700


async def test_data_survive_a_restart_at_the_same_address(running: Running, tmp_path: Path) -> None:
    redis = connection.connect(running.url)
    await redis.set("kept", "yes")
    await redis.aclose()
    running.process.kill()
    running.process.wait()
    again = Running(embedded.prepare(tmp_path, maxmemory=64 * MB))
    assert await embedded.wait_ready(again.url, again.alive, SystemClock())
    redis = connection.connect(again.url)
    assert await redis.get("kept") == b"yes"
    await redis.aclose()
    assert again.end() == 0
    assert again.url == running.url


async def test_where_the_path_is_too_long_it_is_a_port_behind_a_password(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30) / 'with "space"'
    server = Running(embedded.prepare(folder, maxmemory=64 * MB))
    try:
        assert await embedded.wait_ready(server.url, server.alive, SystemClock())
        redis = connection.connect(server.url)
        assert await redis.execute_command("PING") in {b"PONG", "PONG", True}
        await redis.aclose()
        scheme, _, place = server.url.partition("@")
        assert scheme.startswith("redis://:")
        assert place.startswith("127.0.0.1:")
        stranger = connection.connect("redis://" + place)
        with pytest.raises(Exception, match=r"[Aa]uth"):
            await stranger.execute_command("PING")
        await stranger.aclose()
    finally:
        server.end()
    for name in ("address", "valkey.conf"):
        assert (folder / "store" / name).stat().st_mode & 0o777 == 0o600


async def test_waiting_ends_when_the_server_does(tmp_path: Path) -> None:
    assert not await embedded.wait_ready(f"unix://{tmp_path}/none", lambda: False, HastyClock())


def test_no_address_before_the_first_start(tmp_path: Path) -> None:
    assert embedded.running_url(tmp_path) is None


def test_a_machine_without_a_wheel_gets_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "riscv64")
    with pytest.raises(embedded.EmbeddedUnavailable, match=r"riscv64.*: set HOOKLINE_REDIS_URL .*hookline up"):
        embedded.server_binary()


def test_the_memory_of_a_container_counts(tmp_path: Path) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(f"{512 * MB}\n")
    assert embedded.memory_limit((limit,)) == 512 * MB
    limit.write_text("max\n")
    assert embedded.memory_limit((limit, tmp_path / "absent")) > 512 * MB
