"""What the command prints, and its exit code."""

import io
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.cli import console as look
from gateway.cli.doctor import run
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store.members import Members
from tests.integration.gateway.cli.doctor.deployment import COUNT, KEY, Beating, begin, owned
from tests.support.haste import HastyClock


@pytest.fixture
def settings(valkey_url: str) -> Settings:
    return Settings(redis_url=valkey_url, partitions=COUNT, encryption_keys=KEY)


async def test_all_is_well(redis: Redis, settings: Settings) -> None:
    await begin(redis)
    await Members(redis, SystemClock()).beat("d1")
    file = io.StringIO()
    assert await run.doctor(settings, Beating(redis, await owned(redis)), look.make(file)) == run.HEALTHY == 0
    lines = file.getvalue().splitlines()
    assert sum(line.startswith("  ok    ") for line in lines) == 8
    assert len(lines) < 16
    assert lines[-1] == "  All is well."


async def test_something_needs_attention(redis: Redis, settings: Settings) -> None:
    await begin(redis)
    file = io.StringIO()
    assert await run.doctor(settings, HastyClock(), look.make(file)) == run.ATTENTION == 1
    assert "  risk  dispatchers  none is alive" in file.getvalue()
    assert file.getvalue().endswith("\n  1 thing needs attention.\n")


async def test_json(redis: Redis, settings: Settings) -> None:
    await begin(redis)
    file = io.StringIO()
    assert await run.doctor(settings, HastyClock(), look.make(file), as_json=True) == run.ATTENTION
    told = json.loads(file.getvalue())
    assert (told["healthy"], told["attention"]) == (False, 1)
    assert [finding["code"] for finding in told["findings"] if finding["level"] == "risk"] == ["none_alive"]


@pytest.mark.parametrize("as_json", [False, True])
async def test_it_cannot_look(tmp_path: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    for settings, why in (
        (Settings(data=tmp_path), "no store runs on"),
        (Settings(redis_url="redis://127.0.0.1:1/0"), "the store of HOOKLINE_REDIS_URL does not answer"),
    ):
        file = io.StringIO()
        assert await run.doctor(settings, HastyClock(), look.make(file), as_json=as_json) == run.BLIND == 2
        if as_json:
            told = json.loads(file.getvalue())
            assert told["healthy"] is None
            assert told["error"].startswith(why)
        else:
            assert capsys.readouterr().err.startswith(f"hookline: {why}")
