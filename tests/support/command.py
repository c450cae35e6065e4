"""The command `hookline` as a person runs it: its own process, its own session, its output read while it runs."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.process import children, clean_environment
from tests.support.valkey import free_port
from tests.support.waiting import wait_until

HOOKLINE = str(Path(sys.executable).with_name("hookline"))


class Command:
    """One run in `directory`; standard output and error go to files there. Ends with its context."""

    def __init__(self, directory: Path, arguments: Sequence[str], settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self._settings = {"HOOKLINE_PORT": str(self.port), **(settings or {})}
        self._out, self._err = directory / "out.txt", directory / "err.txt"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [HOOKLINE, *arguments],
                cwd=directory,
                env=clean_environment(self._settings),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def output(self) -> str:
        """Standard output so far."""
        return self._out.read_text()

    @property
    def errors(self) -> str:
        """Standard error so far."""
        return self._err.read_text()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"http://127.0.0.1:{self.port}"

    def wait_for(self, pattern: str, seconds: float = 30.0) -> "re.Match[str]":
        """The first match in the output; raises when the command ends or the time is over before."""
        wait_until(
            lambda: re.search(pattern, self.output) or self.process.poll() is not None,
            seconds,
            f"{pattern!r} is printed",
        )
        found = re.search(pattern, self.output)
        assert found, f"exited with {self.process.poll()}\n{self.output}\n{self.errors}\n{self.logs()}"
        return found

    def finish(self, seconds: float = 60.0) -> int:
        """Its exit code, once it ended by itself."""
        return self.process.wait(seconds)

    def interrupt(self, seconds: float = 30.0) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(seconds)

    def processes(self) -> list[int]:
        """Its living descendants."""
        return children(self.process.pid)

    def logs(self) -> str:
        """The ends of all logs of its processes, for a failure's message."""
        paths = sorted(self.directory.glob(".hookline/logs/*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-1_500:]}" for path in paths)

    def end(self) -> None:
        """Nothing of it is left."""
        if self.process.poll() is None:
            left = self.processes()
            self.process.kill()
            self.process.wait()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not any(map(is_running, left)), 30, "the children of a killed command end")


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
