"""The data folder and its lock."""

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.errors import CommandFailed
from gateway.cli.folder import DataFolder, is_alive, shown
from gateway.clock import SystemClock

HOLDER = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.flock(f, fcntl.LOCK_EX); print(flush=True); input()"


class Waited:
    """A clock that passes by itself; `then` runs at the first wait."""

    def __init__(self) -> None:
        self.now = 0.0

    def wall_ms(self) -> int:
        return 0

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A folder whose lock a process of another id holds."""
    lock = tmp_path / "lock"
    lock.touch()
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    yield tmp_path, holder.pid
    holder.communicate(b"\n")


async def test_lock_makes_the_folder_for_its_owner_only(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "a" / "b")
    await folder.lock(SystemClock())
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.logs.is_dir()
    assert (folder.path / "lock").read_text() == f"{os.getpid()}\n"
    assert folder.is_locked()
    folder.unlock()
    assert not folder.is_locked()


async def test_a_living_owner_is_named_at_once(held: tuple[Path, int]) -> None:
    path, pid = held
    (path / "lock").write_text(f"{pid}\n")
    clock = Waited()
    with pytest.raises(CommandFailed, match=f"in use by process {pid}: stop that one, or set HOOKLINE_DATA"):
        await DataFolder(path).lock(clock)
    assert clock.now == 0


async def test_the_store_of_a_killed_supervisor_is_waited_for(held: tuple[Path, int]) -> None:
    path, _ = held
    (path / "lock").write_text("4194305\n")
    clock = Waited()
    with pytest.raises(CommandFailed, match=r"whose supervisor was killed: .*store/valkey\.pid"):
        await DataFolder(path).lock(clock)
    assert clock.now > 10


async def test_a_file_left_by_a_dead_owner_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("4194305\n")
    folder = DataFolder(tmp_path)
    assert not folder.is_locked()
    await folder.lock(SystemClock())
    folder.unlock()


async def test_the_inherited_descriptor_keeps_the_lock(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    await folder.lock(SystemClock())
    inherited = os.dup(folder.lock_descriptor)
    folder.unlock()
    assert folder.is_locked()
    fcntl.flock(inherited, fcntl.LOCK_UN)
    os.close(inherited)
    assert not folder.is_locked()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CommandFailed, match=r"cannot write to .*file/data .*HOOKLINE_DATA"):
        await DataFolder(tmp_path / "file" / "data").lock(SystemClock())


def test_nothing_is_locked_where_nothing_is(tmp_path: Path) -> None:
    assert not DataFolder(tmp_path / "absent").is_locked()


async def test_large_logs_are_put_aside(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    await folder.lock(SystemClock())
    with folder.log("gateway").open("wb") as file:
        file.truncate(9 * 1_048_576)
    folder.log("worker").write_text("short\n")
    folder.turn_logs()
    folder.unlock()
    assert sorted(path.name for path in folder.logs.iterdir()) == ["gateway.log.1", "worker.log"]


def test_paths_are_shown_as_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / ".hookline" / "logs") == ".hookline/logs"
    assert shown(Path("/etc/x")) == "/etc/x"


def test_alive() -> None:
    assert is_alive(os.getpid())
    assert not is_alive(4_194_305)
