"""Processes of a test: started, asked, stopped, killed, and only these."""

import os
from pathlib import Path

import pytest

from tests.support import process
from tests.support.process import Process, ProcessError

READY = "import json, time; print(json.dumps({'port': 7})); time.sleep(60)"


def module(directory: Path, text: str) -> tuple[str, dict[str, str]]:
    """A module of this text, and the environment that finds it."""
    (directory / "made_up.py").write_text(text)
    return "made_up", {"PYTHONPATH": f"{process.ROOT}{os.pathsep}{directory}"}


def test_its_first_json_line_says_that_it_is_ready(tmp_path: Path) -> None:
    name, environment = module(tmp_path, READY)
    made = Process("ready", [name], tmp_path, environment)
    made.start()
    assert made.first_json() == {"port": 7}
    assert made.running
    with pytest.raises(ProcessError, match="already runs"):
        made.start()
    made.kill9()
    assert not made.running


def test_an_early_exit_is_told_with_its_log(tmp_path: Path) -> None:
    name, environment = module(tmp_path, "raise SystemExit('no settings')")
    made = Process("early", [name], tmp_path, environment)
    made.start()
    with pytest.raises(ProcessError, match="no settings"):
        made.first_json()
    assert made.returncode == 1


def test_stop_ends_a_paused_process_and_the_log_is_kept(tmp_path: Path) -> None:
    name, environment = module(tmp_path, READY)
    made = Process("paused", [name], tmp_path, environment)
    made.start()
    made.first_json()
    made.pause()
    assert made.stop() < 5
    made.start()
    made.first_json()
    made.kill9()
    assert made.log_path.read_text().count("port") == 2


def test_work_and_memory_are_read_from_proc(tmp_path: Path) -> None:
    name, environment = module(tmp_path, "while True: pass")
    made = Process("busy", [name], tmp_path, environment)
    made.start()
    made.wait(lambda: made.cpu_seconds() > 0.1, 10, "some work")
    assert process.resident_bytes(made.pid) > 1_000_000
    made.kill9()
    assert made.cpu_seconds() == 0.0


def test_our_own_settings_do_not_leak(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_PORT", "1")
    assert "HOOKLINE_PORT" not in process.clean_environment()
    assert process.clean_environment({"HOOKLINE_PORT": "2"})["HOOKLINE_PORT"] == "2"
