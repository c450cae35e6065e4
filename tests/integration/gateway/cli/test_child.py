"""Children as real processes: started again, stopped, killed, listened to."""

import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.cli.child import Child, Ended, Program
from gateway.cli.folder import is_alive
from tests.support.haste import HastyClock
from tests.support.waiting import until

FOR_EVER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\nwhile 1: signal.pause()"
)
WITH_GRANDCHILD = (
    "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()']);"
    " print(p.pid, flush=True); import signal; signal.pause()"
)
ECHO = "import sys; print('heard ' + sys.stdin.readline().strip(), flush=True); import signal; signal.pause()"


class Household:
    """Makes children that are gone after the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.clock = HastyClock()
        self.ended: list[Ended] = []
        self.lines: list[str] = []
        self.children: list[Child] = []

    def child(self, code: str, *, listening: bool = True, **options: object) -> Child:
        on_line: Callable[[str], None] | None = self.lines.append if listening else None
        program = Program("part", (sys.executable, "-c", code), dict(os.environ), on_line=on_line, **options)  # type: ignore[arg-type]  # test options
        made = Child(program, self.directory / "part.log", self.clock, self.ended.append)
        self.children.append(made)
        return made


@pytest.fixture
async def household(tmp_path: Path) -> AsyncIterator[Household]:
    made = Household(tmp_path)
    yield made
    for child in made.children:
        child.kill()
        await child.stop()


async def test_a_killed_child_starts_again_and_is_reported(household: Household) -> None:
    child = household.child(FOR_EVER)
    await child.start()
    await until(lambda: household.lines, 10, "the first life")
    first = child.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(household.lines) == 2, 10, "the second life")
    assert child.running
    assert child.pid != first
    assert child.deaths == 1
    assert [(e.name, e.how, e.wait_seconds) for e in household.ended] == [("part", "was killed by SIGKILL", 0.5)]
    assert household.clock.waits == [0.5]


async def test_a_child_that_always_dies_is_started_for_ever_with_growing_waits(household: Household) -> None:
    child = household.child("import sys; sys.exit('no luck')", listening=False)
    await child.start()
    await until(lambda: child.deaths >= 4, 20, "four deaths")
    await child.stop()
    assert household.clock.waits[:4] == [0.5, 1.0, 2.0, 4.0]
    assert household.ended[0].how == "exited with code 1"
    assert household.ended[0].last_line == "no luck"
    assert not child.running


async def test_stop_is_sigterm_and_no_death(household: Household) -> None:
    child = household.child(FOR_EVER)
    await child.start()
    await until(lambda: household.lines, 10, "up")
    pid = child.pid
    assert pid is not None
    await child.stop()
    assert not is_alive(pid)
    assert (child.deaths, household.ended, child.pid) == (0, [], None)


async def test_who_ignores_sigterm_is_killed_after_the_grace(household: Household) -> None:
    child = household.child(STUBBORN, grace_seconds=0.05)
    await child.start()
    await until(lambda: household.lines, 10, "up")
    await child.stop()
    assert not child.running
    assert household.ended == []


async def test_the_group_goes_with_its_leader(household: Household) -> None:
    child = household.child(WITH_GRANDCHILD)
    await child.start()
    await until(lambda: household.lines, 10, "the grandchild")
    child.kill()
    await child.stop()
    await until(lambda: not is_alive(int(household.lines[0])) or _is_zombie(int(household.lines[0])), 10, "its end")


def _is_zombie(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


async def test_lines_go_to_the_listener_and_errors_to_the_log(household: Household) -> None:
    child = household.child("import sys; print('out'); print('err', file=sys.stderr); sys.exit(0)")
    await child.start()
    await until(lambda: child.deaths, 10, "its end")
    assert household.lines[0] == "out"
    assert child.log.read_text().startswith("err\n")


async def test_it_can_be_spoken_to(household: Household) -> None:
    child = household.child(ECHO, listens=True)
    await child.start()
    await child.say("open")
    await until(lambda: household.lines, 10, "an answer")
    assert household.lines == ["heard open"]


async def test_who_does_not_listen_is_not_spoken_to(household: Household) -> None:
    child = household.child(FOR_EVER)
    await child.start()
    with pytest.raises(RuntimeError, match="part does not listen"):
        await child.say("open")


async def test_an_impossible_program_is_told_at_the_start(tmp_path: Path) -> None:
    child = Child(Program("part", ("/nonexistent",), {}), tmp_path / "log", HastyClock(), lambda _: None)
    with pytest.raises(OSError, match="/nonexistent is no program"):
        await child.start()
    await child.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux")
async def test_it_ends_when_its_supervisor_is_gone(household: Household, tmp_path: Path) -> None:
    supervisor = household.child(SUPERVISOR.format(directory=str(tmp_path), code=FOR_EVER))
    await supervisor.start()
    await until(lambda: household.lines, 10, "the grandchild's id")
    grandchild = int(household.lines[0])
    assert os.getpgid(grandchild) == grandchild, "a child leads its own group"
    assert supervisor.pid is not None
    os.kill(supervisor.pid, signal.SIGKILL)
    await until(lambda: not is_alive(grandchild) or _is_zombie(grandchild), 10, "the grandchild's end")


SUPERVISOR = """
import asyncio, os, sys
from pathlib import Path
from gateway.cli.child import Child, Program
from gateway.clock import SystemClock
async def main():
    program = Program("grandchild", (sys.executable, "-c", {code!r}), dict(os.environ))
    child = Child(program, Path({directory!r}) / "grandchild.log", SystemClock(), lambda _: None)
    await child.start()
    print(child.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
