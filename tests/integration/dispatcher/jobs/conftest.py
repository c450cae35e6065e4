"""A station per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.replaying import Station


@pytest.fixture
async def station(valkey_url: str, tmp_path: Path) -> AsyncIterator[Station]:
    """A store, a dispatcher and a receiver."""
    async with Station(valkey_url, tmp_path) as station:
        yield station
