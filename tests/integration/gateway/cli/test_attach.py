"""Which store a command talks to."""

from pathlib import Path

import pytest

from gateway import settings as configuration
from gateway.cli import attach
from gateway.cli.errors import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.clock import SystemClock
from gateway.settings import Settings
from gateway.store import embedded
from tests.support.valkey import free_port


async def test_the_named_store_is_used(settings: Settings) -> None:
    assert attach.store_url(settings) == settings.redis_url
    async with attach.store(settings) as redis:
        assert await redis.execute_command("PING")


async def test_a_store_that_does_not_answer_is_one_line() -> None:
    settings = configuration.load({"HOOKLINE_REDIS_URL": f"redis://127.0.0.1:{free_port()}"})
    with pytest.raises(CommandFailed, match="the store of HOOKLINE_REDIS_URL does not answer: Error 111"):
        async with attach.store(settings) as redis:
            await redis.execute_command("PING")


async def test_the_embedded_store_only_while_it_runs(tmp_path: Path) -> None:
    settings = configuration.load({"HOOKLINE_DATA": str(tmp_path)})
    prepared = embedded.prepare(tmp_path)
    with pytest.raises(CommandFailed, match=r"no store runs on .*: start `hookline up`"):
        attach.store_url(settings)
    folder = DataFolder(tmp_path)
    await folder.lock(SystemClock())
    assert attach.store_url(settings) == prepared.url
    folder.unlock()


async def test_a_process_that_joins_gets_the_address_and_the_keys(tmp_path: Path) -> None:
    settings = configuration.load({"HOOKLINE_DATA": str(tmp_path)})
    folder = DataFolder(tmp_path)
    await folder.lock(SystemClock())
    prepared = embedded.prepare(tmp_path)
    folder.encryption_keys.write_text("k1:abc\n")
    joined = attach.environment(settings, {"PATH": "/bin", "HOOKLINE_DATA": str(tmp_path)})
    folder.unlock()
    assert joined["HOOKLINE_REDIS_URL"] == prepared.url
    assert joined["HOOKLINE_ENCRYPTION_KEYS"] == "k1:abc"
    assert joined["HOOKLINE_PARTITIONS"] == "4"


def test_with_a_named_store_the_environment_stays_as_it_is(settings: Settings) -> None:
    given = {"HOOKLINE_REDIS_URL": str(settings.redis_url), "PATH": "/bin"}
    assert attach.environment(settings, given) == given
