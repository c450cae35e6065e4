"""`hookline keys` on a real store."""

import base64
import dataclasses
import io

import pytest
from redis.asyncio import Redis

from gateway.cli import console as look
from gateway.cli import keys
from gateway.cli.errors import CommandFailed
from gateway.clock import SystemClock
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.settings import Settings
from gateway.store import endpoint_secrets
from gateway.store.api_keys import ApiKeys
from gateway.store.registry import Registry
from gateway.store.vault import Vault, parse_keys
from tests.support.sealed import sealed

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


async def test_rewrap_leaves_secrets_that_need_the_new_key_alone(
    redis: Redis, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = ("k1:" + base64.b64encode(bytes(32)).decode(), "k2:" + base64.b64encode(bytes(range(32))).decode())
    registry = Registry(redis, CLOCK)
    endpoint = Endpoint("e", 0, "shop", "internal", "http://shop.local/", secrets=sealed(Vault(parse_keys(old)), "e"))
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint])
    with pytest.raises(CommandFailed, match="k1"):
        await keys.rewrap(dataclasses.replace(settings, encryption_keys=new), CLOCK)
    both = dataclasses.replace(settings, encryption_keys=f"{new},{old}")
    assert await keys.rewrap(both, CLOCK) == 0
    assert capsys.readouterr().err.startswith("1 secrets of 1 endpoints were encrypted with another key; now all of 1")
    (stored,) = await registry.list_endpoints()
    assert endpoint_secrets.texts_of(Vault(parse_keys(new)), stored)
    assert await keys.rewrap(both, CLOCK) == 0
    assert capsys.readouterr().err.startswith("0 secrets of 0 endpoints")
    with pytest.raises(CommandFailed, match="HOOKLINE_ENCRYPTION_KEYS"):
        await keys.rewrap(settings, CLOCK)
