"""One supervised process.

      start            it ends by itself                 stop: SIGTERM, after the grace SIGKILL
    ---------> running ----------------> waiting ---------------------------> ended
                  ^                         |
                  +-- 0.5 s, doubled, 10 s -+

A child is the leader of its own session: the terminal's Ctrl-C reaches the supervisor alone, which stops the children
in order, and what is left of a dead child's group is killed before it is started again. On Linux a child is told to end
when its supervisor is gone, however that ended.

Its standard error goes to its log file; its standard output too, unless `on_line` wants the lines. Its standard input
is empty, or a pipe for `say`.
It never gives up: a store on a full disk exits by design and must come back by itself once there is room.
"""

import asyncio
import contextlib
import dataclasses
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.clock import Clock

FIRST_WAIT = 0.5
LONGEST_WAIT = 10.0
GOOD_LIFE_SECONDS = 30.0
_LINE_BYTES = 1_048_576
_END_WITH_PARENT = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""
"""prctl(2), PR_SET_PDEATHSIG with SIGTERM, which exec keeps. Not a `preexec_fn`: that forks a process with threads."""


@dataclasses.dataclass(frozen=True, slots=True)
class Program:
    """What to run. `grace_seconds` is how long it may take to end after SIGTERM; `inherited` are open files."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    grace_seconds: float = 20.0
    inherited: tuple[int, ...] = ()
    on_line: Callable[[str], None] | None = None
    listens: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Ended:
    """A child ended that nobody had stopped; it starts again in `wait_seconds`."""

    name: str
    how: str
    last_line: str
    log: Path
    wait_seconds: float


def next_wait(previous: float, lived_seconds: float) -> float:
    """Seconds until the next start: 0.5, doubled up to 10, and 0.5 again after a life of 30 s."""
    if lived_seconds >= GOOD_LIFE_SECONDS or previous == 0:
        return FIRST_WAIT
    return min(previous * 2, LONGEST_WAIT)


def how_it_ended(code: int) -> str:
    """`exited with code 1`, or `was killed by SIGKILL`."""
    if code >= 0:
        return f"exited with code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def last_line(log: Path) -> str:
    """The last line of a log that has text, at most 4 KB of it; '' when there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 4_096))
        lines = file.read().decode(errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class Child:
    """Runs a program until it is stopped, again and again. `report` is told of every death."""

    def __init__(self, program: Program, log: Path, clock: Clock, report: Callable[[Ended], None]) -> None:
        self.program = program
        self.log = log
        self.deaths = 0
        self._clock = clock
        self._report = report
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self.running and self._process else None

    @property
    def running(self) -> bool:
        """Whether the process lives now."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it; returns when the process exists. Raises OSError when the first start is impossible."""
        self._stopping = False
        await self._spawn()
        self._task = asyncio.create_task(self._keep(), name=self.program.name)

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL after the grace; returns when it is gone."""
        self._stopping = True
        if self._task is None:
            return
        if self._process is not None and self.running:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            await asyncio.wait({self._task}, timeout=self.program.grace_seconds)
            self.kill()
            await asyncio.wait({self._task}, timeout=self.program.grace_seconds)
        self._task.cancel()
        await asyncio.wait({self._task})

    def kill(self) -> None:
        """SIGKILL to the whole group, at once."""
        self._stopping = True
        if self.running:
            self._kill_group()

    async def say(self, line: str) -> None:
        """Write a line to the standard input of a program that `listens`."""
        if self._process is None or self._process.stdin is None:
            raise RuntimeError(f"{self.program.name} does not listen")
        self._process.stdin.write(line.encode() + b"\n")
        await self._process.stdin.drain()

    async def _keep(self) -> None:
        wait = 0.0
        while True:
            began = self._clock.monotonic()
            code = await self._wait()
            self._kill_group()
            if self._stopping:
                return
            self.deaths += 1
            wait = next_wait(wait, self._clock.monotonic() - began)
            self._report(Ended(self.program.name, how_it_ended(code), last_line(self.log), self.log, wait))
            await self._clock.sleep(wait)
            while not await self._spawned():
                await self._clock.sleep(LONGEST_WAIT)

    async def _spawned(self) -> bool:
        try:
            await self._spawn()
        except OSError:
            return False
        return True

    async def _spawn(self) -> None:
        command, piped = self.program.command, self.program.on_line is not None
        if not os.access(command[0], os.X_OK):
            raise FileNotFoundError(f"{command[0]} is no program")
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_ending_with_parent(command),
                stdin=asyncio.subprocess.PIPE if self.program.listens else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if piped else log,
                stderr=log,
                env=dict(self.program.environment),
                pass_fds=self.program.inherited,
                start_new_session=True,
                limit=_LINE_BYTES,
            )

    async def _wait(self) -> int:
        process = self._process
        if process is None:
            raise RuntimeError(f"{self.program.name} was not started")
        if process.stdout is not None and self.program.on_line is not None:
            async for line in process.stdout:
                self.program.on_line(line.decode(errors="replace").rstrip("\n"))
        return await process.wait()

    def _kill_group(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _ending_with_parent(command: tuple[str, ...]) -> tuple[str, ...]:
    if sys.platform != "linux":
        return command
    return (sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid()), *command)
