"""A gateway without a dispatcher, and the shop's services beside it."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.cli.demo.api import Api
from gateway.cli.demo.shop import Shop
from gateway.cli.folder import DataFolder
from gateway.cli.keeping import Keeping
from gateway.cli.system import stop_rank
from gateway.clock import SystemClock
from tests.support.system import System


@pytest.fixture
def without_dispatcher(tmp_path: Path) -> Iterator[System]:
    with System(tmp_path, dispatchers=0) as system:
        yield system


@pytest.fixture
async def shop(without_dispatcher: System, tmp_path: Path) -> AsyncIterator[Shop]:
    folder = DataFolder(tmp_path / "shop")
    await folder.lock(SystemClock())
    keeping = Keeping(folder, SystemClock(), lambda _: None)
    async with Api(without_dispatcher.url, without_dispatcher.key) as api:
        yield Shop(api, keeping, os.environ)
    await keeping.stop_all(stop_rank)
    folder.unlock()
