"""One process of a system under test: own log file, own session, ended by its own id only."""

import atexit
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
_TICKS = os.sysconf("SC_CLK_TCK")


class ProcessError(Exception):
    """The process exited or stayed silent; the text ends with its log."""


def clean_environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment without its `HOOKLINE_*` names, plus `settings`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **(settings or {})}


class Process:
    """`python -m ARGUMENTS`; the output goes to `<directory>/<name>.log`, over all its restarts.

    `prefix` is a command that runs it, such as nsenter(1).
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log_path = directory / f"{name}.log"
        self._arguments = [*prefix, sys.executable, "-m", *arguments]
        self._environment = clean_environment(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Process id; raises ProcessError unless started."""
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it lives, also when paused."""
        return self._process is not None and self._process.poll() is None

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it lives or before it was started."""
        return self._process.poll() if self._process is not None else None

    def output(self) -> str:
        """What this run of it wrote so far, standard output and error together."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[self._log_start :].decode(errors="replace")

    def start(self) -> None:
        """Start it; says nothing of readiness."""
        if self.running:
            raise ProcessError(f"{self.name} already runs")
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self._arguments,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )
        atexit.register(self.kill9)

    def first_json(self, seconds: float = 15.0) -> dict[str, Any]:
        """The first line of its output that is a JSON object; that is how our helpers say that they are ready."""
        self.wait(lambda: self._json_line() is not None, seconds, "its first JSON line")
        line = self._json_line()
        return line if line is not None else {}

    def _json_line(self) -> dict[str, Any] | None:
        for line in self.output().split("\n")[:-1]:
            with contextlib.suppress(ValueError):
                if isinstance(value := json.loads(line), dict):
                    return value
        return None

    def wait(self, condition: Any, seconds: float, what: str) -> None:
        """Wait for a condition while the process lives; raises ProcessError with its log when it exits before."""
        wait_until(lambda: condition() or not self.running, seconds, f"{self.name}: {what}")
        if not condition():
            raise ProcessError(f"{self.name} exited with {self.returncode} before {what}:\n{self.output()[-3000:]}")

    def finish(self, seconds: float) -> int:
        """Wait until it exits by itself; its exit status."""
        wait_until(lambda: not self.running, seconds, f"{self.name} exits")
        atexit.unregister(self.kill9)
        return int(self.returncode or 0)

    def kill9(self) -> None:
        """SIGKILL with its children; returns when it is gone. Does nothing when it is gone already."""
        atexit.unregister(self.kill9)
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, seconds: float = 30.0) -> float:
        """SIGTERM; the seconds that it took to exit. Raises NeverHappened (and kills) when it does not."""
        begun = time.monotonic()
        if self.running:
            self.resume()
            os.kill(self.pid, signal.SIGTERM)
        try:
            wait_until(lambda: not self.running, seconds, f"{self.name} exits after SIGTERM")
        finally:
            self.kill9()
        return time.monotonic() - begun

    def pause(self) -> None:
        """SIGSTOP to it and its children."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGCONT)

    def cpu_seconds(self) -> float:
        """User and system seconds of it and its living children so far; 0 when it is gone."""
        return sum(cpu_seconds(pid) for pid in (self.pid, *children(self.pid))) if self.running else 0.0


def cpu_seconds(pid: int) -> float:
    """User and system seconds of one process (proc(5), stat fields 14 and 15); 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(pid: int) -> list[int]:
    """Process ids of living children and their children (proc(5), `children`)."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for text in (task / "children").read_text().split():
                found += [int(text), *children(int(text))]
    return found


def resident_bytes(pid: int) -> int:
    """Resident memory of one process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
