"""The key of the embedded store: made once, kept for its owner."""

from pathlib import Path

from redis.asyncio import Redis

from gateway.cli import first_key
from gateway.clock import SystemClock
from gateway.store.api_keys import ApiKeys


async def test_it_is_made_once_with_every_right(redis: Redis, tmp_path: Path) -> None:
    path = tmp_path / "admin-key"
    made = await first_key.first_key(redis, path, SystemClock())
    assert await first_key.first_key(redis, path, SystemClock()) == made
    assert path.read_text() == made + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    [key] = await ApiKeys(redis, SystemClock()).list_all()
    assert (key.name, key.scopes) == ("first", ("admin",))


async def test_a_key_that_the_store_does_not_know_is_made_again(redis: Redis, tmp_path: Path) -> None:
    path = tmp_path / "admin-key"
    old = await first_key.first_key(redis, path, SystemClock())
    await redis.flushall()
    new = await first_key.first_key(redis, path, SystemClock())
    assert new != old
    assert first_key.read(path) == new
    assert await ApiKeys(redis, SystemClock()).find(new) is not None


async def test_a_damaged_file_is_replaced_and_stays_private(redis: Redis, tmp_path: Path) -> None:
    path = tmp_path / "admin-key"
    path.write_bytes(b"\xff\xfe")
    path.chmod(0o644)
    made = await first_key.first_key(redis, path, SystemClock())
    assert first_key.read(path) == made
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_is_no_key(tmp_path: Path) -> None:
    assert first_key.read(tmp_path / "admin-key") is None
