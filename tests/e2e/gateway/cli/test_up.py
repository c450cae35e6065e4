"""`hookline up` as a person runs it."""

import os
import re
import signal
import socket
from pathlib import Path

import httpx
import pytest

from tests.support.command import Command, is_running
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

UP = "Ctrl-C stops everything"


def ready(command: Command) -> bool:
    try:
        return httpx.get(f"{command.url}/readyz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def pid_of(command: Command, name: str) -> int:
    """The process of a module of ours, by its command line."""
    for pid in command.processes():
        if name in Path(f"/proc/{pid}/cmdline").read_text().split("\0"):
            return pid
    raise AssertionError(f"{name} does not run")


def test_it_says_where_it_is_restarts_what_dies_and_stops_with_ctrl_c(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"], {"HOOKLINE_DISPATCHERS": "2"}) as command:
        command.wait_for(UP)
        assert ready(command)
        assert re.findall(r"^  (\w+(?: \w+)?)  +\S", command.output, re.MULTILINE)[:5] == [
            "address", "API key", "store", "running", "logs",
        ]  # fmt: skip
        assert "gateway, 2 dispatchers, worker" in command.output
        key = (tmp_path / ".hookline" / "admin-key").read_text().strip()
        listed = httpx.get(f"{command.url}/v1/subscribers", headers={"authorization": f"Bearer {key}"}, trust_env=False)
        assert listed.json() == {"data": [], "next": None}

        os.kill(pid_of(command, "dispatcher"), signal.SIGKILL)
        command.wait_for(r"dispatcher-\d was killed by SIGKILL, starts again in 0\.5 s .*log: \.hookline/logs/disp")
        wait_until(lambda: command.output and pid_of(command, "dispatcher"), 30, "a new dispatcher")
        assert ready(command)

        left = command.processes()
        assert command.interrupt() == 0
        assert not any(map(is_running, left))
        assert command.output.endswith("  stopped; the data stay in .hookline\n")
        assert command.errors == ""
    ended = (tmp_path / ".hookline" / "logs" / "supervisor.log").read_text()
    assert re.findall(r'"process.stopped", "process": "([\w-]+)"', ended) == [
        "gateway", "dispatcher-1", "dispatcher-2", "worker", "store",
    ]  # fmt: skip


def test_data_and_key_survive_the_death_of_everything(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"]) as command:
        command.wait_for(UP)
        key = (tmp_path / ".hookline" / "admin-key").read_text()
        left = command.processes()
        command.process.kill()
        wait_until(lambda: not any(map(is_running, left)), 40, "the children end when their supervisor was killed")
    with Command(tmp_path, ["up"]) as command:
        command.wait_for(UP)
        assert (tmp_path / ".hookline" / "admin-key").read_text() == key
        assert ready(command)
        assert command.interrupt() == 0


def test_a_killed_store_comes_back_with_what_was_acknowledged(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"]) as command:
        command.wait_for(UP)
        key = (tmp_path / ".hookline" / "admin-key").read_text().strip()
        with httpx.Client(base_url=command.url, headers={"authorization": f"Bearer {key}"}, trust_env=False) as api:
            event = api.post("/v1/events", json={"type": "order.placed", "data": {}}).json()["id"]
            os.kill(int((tmp_path / ".hookline" / "store" / "valkey.pid").read_text()), signal.SIGKILL)
            command.wait_for(r"store was killed by SIGKILL, starts again in 0\.5 s")
            wait_until(lambda: ready(command), 30, "the gateway is ready again")
            assert api.get(f"/v1/events/{event}").json()["id"] == event
        assert command.interrupt() == 0


def test_a_second_ctrl_c_kills(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"]) as command:
        command.wait_for(UP)
        left = command.processes()
        os.kill(pid_of(command, "dispatcher"), signal.SIGSTOP)
        command.process.send_signal(signal.SIGINT)
        command.wait_for("stopping; Ctrl-C again kills")
        assert command.interrupt(seconds=10) == 0
        assert not any(map(is_running, left))
        assert command.output.endswith("  killed; the data stay in .hookline\n")


def test_ctrl_c_while_it_starts(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"]) as command:
        log = tmp_path / ".hookline" / "logs" / "supervisor.log"
        wait_until(lambda: log.exists() and '"gateway"' in log.read_text(), 20, "the gateway is started")
        left = command.processes()
        assert command.interrupt() == 0
        assert not any(map(is_running, left))
        assert "stopped; the data stay" in command.output


def test_the_data_folder_may_lie_deep(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 25) / "my data"
    with Command(tmp_path, ["up"], {"HOOKLINE_DATA": str(deep)}) as command:
        command.wait_for(UP)
        assert (deep / "store" / "address").read_text().startswith("redis://:")
        assert ready(command)
        assert command.interrupt() == 0


def test_a_second_one_on_the_same_folder_is_told_the_way_out(tmp_path: Path) -> None:
    with Command(tmp_path, ["up"]) as first:
        first.wait_for(UP)
        other = tmp_path / "other"
        other.mkdir()
        with Command(other, ["up"], {"HOOKLINE_DATA": str(tmp_path / ".hookline")}) as second:
            assert second.finish() == 1
            assert second.errors == (
                f"hookline: {tmp_path}/.hookline is in use by process {first.process.pid}: "
                "stop that one, or set HOOKLINE_DATA to another folder\n"
            )
        assert ready(first)
        assert first.interrupt() == 0


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Command(tmp_path, ["up"], {"HOOKLINE_PORT": str(port)}) as command:
            assert command.finish() == 1
            assert command.errors == (
                f"hookline: port {port} on 127.0.0.1 is taken: set HOOKLINE_PORT to a free one, "
                f"for example HOOKLINE_PORT={port + 1}\n"
            )
            assert command.output == ""


def test_with_a_store_of_ones_own_no_key_is_made(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    keys = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    settings = {"HOOKLINE_REDIS_URL": valkey_server.url, "HOOKLINE_ENCRYPTION_KEYS": keys}
    with Command(tmp_path, ["up"], settings) as command:
        command.wait_for(UP)
        assert "make one: hookline keys create --name first --scope admin\n" in command.output
        assert not (tmp_path / ".hookline" / "admin-key").exists()
        assert ready(command)
        assert command.interrupt() == 0


def test_without_an_encryption_key_it_says_how_to_make_one(tmp_path: Path, valkey_server: ValkeyServer) -> None:
    with Command(tmp_path, ["up"], {"HOOKLINE_REDIS_URL": valkey_server.url}) as command:
        assert command.finish() == 1
        assert "HOOKLINE_ENCRYPTION_KEYS is not set" in command.errors
        assert "export HOOKLINE_ENCRYPTION_KEYS=" in command.errors


@pytest.mark.parametrize("accepted", [False, True])
def test_a_store_that_forgets_is_refused_unless_that_is_accepted(tmp_path: Path, accepted: bool) -> None:
    keys = "k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    with ValkeyServer({"appendonly": "no"}) as store:
        settings = {"HOOKLINE_REDIS_URL": store.url, "HOOKLINE_ENCRYPTION_KEYS": keys}
        with Command(tmp_path, ["up", *(["--accept-data-loss"] * accepted)], settings) as command:
            if accepted:
                command.wait_for(UP)
                assert command.interrupt() == 0
            else:
                assert command.finish() == 1
                assert "aof_off" in command.errors
                assert "--accept-data-loss" in command.errors
