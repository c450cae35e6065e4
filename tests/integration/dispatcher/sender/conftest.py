"""Every test here runs on asyncio's own loop and on uvloop: their transports differ in what they call when."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.integration.dispatcher.sender.authority import Authority
from tests.integration.dispatcher.sender.harness import Harness


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    async with Harness() as harness:
        yield harness


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def tls_harness(authority: Authority) -> AsyncIterator[Harness]:
    async with Harness(ca_file=Path(authority.ca_file)) as harness:
        yield harness
