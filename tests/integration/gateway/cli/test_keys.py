"""`hookline keys` on a real store."""

import io

import pytest
from redis.asyncio import Redis

from gateway.cli import console as look
from gateway.cli import keys
from gateway.cli.errors import CommandFailed
from gateway.clock import SystemClock
from gateway.model.subscriber import Subscriber
from gateway.settings import Settings
from gateway.store.api_keys import ApiKeys
from gateway.store.registry import Registry

CLOCK = SystemClock()


async def test_the_key_alone_is_on_standard_output(
    redis: Redis, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await keys.create(settings, CLOCK, "shop", ("publish", "read"), None) == 0
    out, err = capsys.readouterr()
    found = await ApiKeys(redis, CLOCK).find(out.strip())
    assert found is not None
    assert (found.name, found.scopes, found.subscriber) == ("shop", ("publish", "read"), None)
    assert out.count("\n") == 1
    assert err == f"{found.id}  shop  publish read  (the key is shown only now)\n"


async def test_a_key_of_a_subscriber_needs_the_subscriber(redis: Redis, settings: Settings) -> None:
    with pytest.raises(CommandFailed, match="no subscriber has the id acme: create it first"):
        await keys.create(settings, CLOCK, "x", ("read",), "acme")
    assert await ApiKeys(redis, CLOCK).list_all() == []
    await Registry(redis, CLOCK).bootstrap(16)
    await Registry(redis, CLOCK).put_subscriber(Subscriber("acme", "external"))
    assert await keys.create(settings, CLOCK, "x", ("read",), "acme") == 0
    assert [key.subscriber for key in await ApiKeys(redis, CLOCK).list_all()] == ["acme"]


async def test_list_shows_names_and_scopes_and_never_the_key(
    redis: Redis, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await keys.list_all(settings, CLOCK, look.make(io.StringIO())) == 0
    assert "hookline keys create --name first --scope admin" in capsys.readouterr().err
    key, secret = await ApiKeys(redis, CLOCK).create("first", ("admin",))
    file = io.StringIO()
    assert await keys.list_all(settings, CLOCK, look.make(file)) == 0
    heads, row = file.getvalue().splitlines()
    assert heads.split() == ["id", "name", "scopes", "subscriber", "created"]
    assert row.split()[:4] == [key.id, "first", "admin", "-"]
    assert secret not in file.getvalue()


async def test_revoke(redis: Redis, settings: Settings) -> None:
    key, secret = await ApiKeys(redis, CLOCK).create("first", ("admin",))
    assert await keys.revoke(settings, CLOCK, key.id) == 0
    assert await ApiKeys(redis, CLOCK).find(secret) is None
    with pytest.raises(CommandFailed, match=f"no key has the id {key.id}: hookline keys list"):
        await keys.revoke(settings, CLOCK, key.id)
