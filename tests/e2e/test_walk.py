"""docs/api.md: every command of the walk is run as it is written, with real ids for its placeholders."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.command import Command
from tests.support.process import ROOT, clean_environment
from tests.support.waiting import wait_until

PAGE = ROOT / "docs" / "api.md"
BEGINNINGS = ("hook", "export")


def commands() -> list[str]:
    """The commands of all shell blocks, in order; one that goes over several lines stays one."""
    found: list[str] = []
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith(BEGINNINGS):
                found.append(line)
            else:
                found[-1] += "\n" + line
    return found


class Reader:
    """Somebody who types the page into a shell."""

    def __init__(self, command: Command) -> None:
        self.folder = command.directory
        self.api = Api(command.url, (self.folder / ".hookline" / "admin-key").read_text().strip())
        self.beginning: list[str] = []
        self._port = command.port

    def newest(self, path: str) -> str:
        found: list[dict[str, Any]] = self.api.get(path, limit=1)["data"]
        return str(found[0]["id"]) if found else "none"

    def filled(self, command: str) -> str:
        names = {"evt": "/v1/events", "ep": "/v1/endpoints", "dlv": "/v1/deliveries", "rpl": "/v1/replays"}
        for prefix, path in names.items():
            if f"{prefix}_…" in command:
                command = command.replace(f"{prefix}_…", self.newest(path))
        return command.replace(":8080", f":{self._port}").replace("curl -s", "curl -s --fail-with-body")

    def types(self, command: str) -> None:
        script = "\n".join([*self.beginning, self.filled(command)])
        if not command.startswith("hook "):
            self.beginning.append(self.filled(command))
            return
        answers: list[str] = []
        wait_until(lambda: self._works(script, answers), 10, f"{command!r} works: {answers}")

    def _works(self, script: str, answers: list[str]) -> bool:
        ran = subprocess.run(
            ["sh", "-ec", script], cwd=self.folder, env=clean_environment(), capture_output=True, text=True, check=False
        )
        answers.append(ran.stdout + ran.stderr)
        if ran.returncode == 0:
            json.loads(ran.stdout)
            return True
        assert "delivery_in_flight" in ran.stdout, f"{script}\n{ran.stdout}\n{ran.stderr}"
        return False


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with Command(tmp_path, ["up"], {"HOOKLINE_EGRESS_ALLOW": "127.0.0.0/8"}) as command:
        command.wait_for("Ctrl-C stops everything")
        someone = Reader(command)
        yield someone
        someone.api.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page is written for curl")
def test_every_command_works(reader: Reader) -> None:
    typed = commands()
    assert len(typed) > 10
    for command in typed:
        reader.types(command)
        if "/v1/events -d" in command:
            wait_until(lambda: reader.newest("/v1/deliveries") != "none", 10, "the event is delivered somewhere")
