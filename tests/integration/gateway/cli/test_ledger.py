"""`hookline ledger` on a real store: 0 when the books balance, else 1."""

import io

import pytest
from redis.asyncio import Redis

from gateway.cli import console as look
from gateway.cli import ledger
from gateway.cli.errors import CommandFailed
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry

CLOCK = SystemClock()


async def test_an_empty_deployment_balances(redis: Redis, settings: Settings) -> None:
    await Registry(redis, CLOCK).bootstrap(16)
    file = io.StringIO()
    assert await ledger.ledger(settings, CLOCK, look.make(file)) == 0
    assert file.getvalue().endswith("  balanced: the counters and a recount agree\n")


async def test_a_counter_without_its_event_does_not_balance(redis: Redis, settings: Settings) -> None:
    await Registry(redis, CLOCK).bootstrap(16)
    await redis.hincrby(PartitionKeys(3, 16).counters, "500000:accepted", 1)
    file = io.StringIO()
    assert await ledger.ledger(settings, CLOCK, look.make(file)) == 1
    assert "does not balance" in file.getvalue()
    assert "  accepted  1         0\n" in file.getvalue()


@pytest.mark.usefixtures("redis")
async def test_a_store_of_nobody_is_told(settings: Settings) -> None:
    with pytest.raises(CommandFailed, match="this store is empty"):
        await ledger.ledger(settings, CLOCK, look.make(io.StringIO()))
