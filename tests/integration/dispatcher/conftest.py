"""A rig per test; reads of the log do not block, so that turns by hand are quick."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dispatcher import breakers, membership, reader
from tests.integration.dispatcher.rig import Rig


@pytest.fixture
def quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """For turns by hand."""
    monkeypatch.setattr(reader, "BLOCK_MS", 1)


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hand-over does not wait long for what runs."""
    monkeypatch.setattr(membership, "GRACE_SECONDS", 0.2)


@pytest.fixture
def no_breaker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints may fail for as long as they like."""
    monkeypatch.setattr(breakers, "FAILURES", 1_000_000)


@pytest.fixture
async def rig(valkey_url: str, tmp_path: Path, quick_reads: None) -> AsyncIterator[Rig]:
    """One partition, by hand."""
    async with Rig(valkey_url, tmp_path) as rig:
        yield rig


@pytest.fixture
async def four(valkey_url: str, tmp_path: Path, quick_reads: None) -> AsyncIterator[Rig]:
    """Four partitions, by hand."""
    async with Rig(valkey_url, tmp_path, partitions=4) as rig:
        yield rig
