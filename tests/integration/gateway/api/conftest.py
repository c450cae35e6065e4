"""The gateway over ASGI for each test of a resource."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.api_rig import Rig, opened


@pytest.fixture
async def rig(valkey_url: str, tmp_path: Path) -> AsyncIterator[Rig]:
    """A gateway on an emptied store."""
    async with opened(valkey_url, tmp_path) as found:
        yield found
