"""The gateway over ASGI, with one object of each kind."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_rig import Rig, opened


@pytest.fixture
async def rig(valkey_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway with a subscriber `shop` and its endpoint `e`."""
    async with opened(valkey_url, tmp_path) as found:
        await found.internal("shop", "e")
        yield found
