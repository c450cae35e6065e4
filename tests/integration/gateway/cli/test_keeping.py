"""Several children: started in order, stopped in the other, their deaths written down."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.child import Ended, Program
from gateway.cli.folder import DataFolder
from gateway.cli.keeping import Keeping
from gateway.cli.system import stop_rank
from tests.support.haste import HastyClock
from tests.support.waiting import until

FOR_EVER = "import signal; signal.pause()"


class House:
    """A folder, and what runs in it."""

    def __init__(self, folder: DataFolder) -> None:
        self.folder = folder
        self.ended: list[Ended] = []
        self.keeping = Keeping(folder, HastyClock(), self.ended.append)

    def program(self, name: str, code: str = FOR_EVER) -> Program:
        return Program(name, (sys.executable, "-c", code), dict(os.environ))

    def written(self, event: str) -> list[str]:
        lines = [json.loads(line) for line in self.folder.log("supervisor").read_text().splitlines()]
        return [line["process"] for line in lines if line["event"] == event]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    folder = DataFolder(tmp_path)
    await folder.lock(HastyClock())
    made = House(folder)
    yield made
    made.keeping.kill_all()
    await made.keeping.stop_all(stop_rank)
    folder.unlock()


async def test_they_stop_in_the_order_of_the_way_of_an_event(house: House) -> None:
    for name in ("store", "gateway", "dispatcher-1", "worker", "payments"):
        await house.keeping.start(house.program(name))
    assert len(house.keeping.children) == 5
    await house.keeping.stop_all(stop_rank)
    assert house.written("process.starting") == ["store", "gateway", "dispatcher-1", "worker", "payments"]
    assert house.written("process.stopped") == ["gateway", "dispatcher-1", "worker", "payments", "store"]
    assert house.keeping.children == []
    assert house.ended == []


async def test_a_death_is_told_and_written(house: House) -> None:
    [child] = await house.keeping.start(house.program("dispatcher-1"))
    assert house.keeping.died() is None
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    await until(lambda: house.ended, 10, "the death")
    assert house.keeping.died() is child
    assert house.written("process.ended") == ["dispatcher-1"]


async def test_a_death_that_cannot_be_written_down_is_told_and_restarted(house: House) -> None:
    """A full disk is what ends an embedded store; here the log cannot even be opened."""
    log = house.folder.log("supervisor")
    log.mkdir()
    [child] = await house.keeping.start(house.program("store"))
    os.kill(child.pid or 0, signal.SIGKILL)
    await until(lambda: house.ended and child.running, 10, "the restart")
    log.rmdir()


async def test_one_can_be_stopped_before_the_others(house: House) -> None:
    [first] = await house.keeping.start(house.program("payments"))
    [second] = await house.keeping.start(house.program("shipping"))
    await house.keeping.stop(first)
    assert house.keeping.children == [second]
    assert second.running


async def test_kill_ends_everything_at_once(house: House) -> None:
    children = await house.keeping.start(house.program("dispatcher-1"), house.program("dispatcher-2"))
    house.keeping.kill_all()
    await until(lambda: not any(child.running for child in children), 10, "the end")
    assert house.ended == []
