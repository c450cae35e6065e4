"""Secrets of endpoints in the vault, and all of them wrapped anew."""

import asyncio
import base64

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.clock import SystemClock
from gateway.model.endpoint import Endpoint
from gateway.model.secret import SecretKind
from gateway.model.subscriber import Subscriber
from gateway.store import endpoint_secrets, errors
from gateway.store.registry import Registry
from gateway.store.vault import Vault, VaultError
from receivers import secrets

FIRST, SECOND = bytes(32), bytes(range(32))
OLD, BOTH, NEW = Vault({"k1": FIRST}), Vault({"k2": SECOND, "k1": FIRST}), Vault({"k2": SECOND})


def endpoint(name: str, vault: Vault = OLD) -> Endpoint:
    kinds: tuple[SecretKind, ...] = ("v1", "v1a", "profile")
    made = tuple(endpoint_secrets.seal(vault, name, kind, endpoint_secrets.generate(kind), 7) for kind in kinds)
    return Endpoint(name, 0, "shop", "internal", "http://shop.local/", secrets=made)


@pytest.fixture
def registry(plain_redis: Redis) -> Registry:
    return Registry(plain_redis, SystemClock())


async def stored(registry: Registry) -> list[Endpoint]:
    return await registry.list_endpoints()


def test_a_secret_has_an_id_and_opens_at_its_endpoint_only() -> None:
    made = endpoint("a")
    texts = endpoint_secrets.texts_of(OLD, made)
    assert [text[: text.index("_")] for text in texts.values()] == ["whsec", "whsk", "whsec"]
    assert all(secret.id.startswith("sec_") and secret.created_ms == 7 for secret in made.secrets)
    assert [secret.public_key for secret in made.secrets] == ["", secrets.public_key_of(list(texts.values())[1]), ""]
    with pytest.raises(VaultError):
        endpoint_secrets.text_of(OLD, "b", made.secrets[0])
    moved = msgspec.structs.replace(made.secrets[0], id=made.secrets[1].id)
    with pytest.raises(VaultError):
        endpoint_secrets.text_of(OLD, "a", moved)


def test_what_is_wrapped_by_the_current_key_stays() -> None:
    made = endpoint("a")
    assert endpoint_secrets.rewrapped(OLD, made) is made
    renewed = endpoint_secrets.rewrapped(BOTH, made)
    assert endpoint_secrets.texts_of(NEW, renewed) == endpoint_secrets.texts_of(OLD, made)
    assert endpoint_secrets.missing(made, ("v1", "v1a")) == []
    assert endpoint_secrets.missing(msgspec.structs.replace(made, secrets=made.secrets[:1]), ("v1", "v1a")) == ["v1a"]


async def test_every_secret_is_wrapped_anew_and_the_old_key_can_go(registry: Registry) -> None:
    wanted = [endpoint(f"e{number}") for number in range(70)] + [endpoint("new", BOTH)]
    await registry.create_subscriber(Subscriber("shop", "internal"), wanted)
    before = {one.id: endpoint_secrets.texts_of(BOTH, one) for one in await stored(registry)}
    assert await endpoint_secrets.rewrap_all(registry, BOTH) == (71, 70, 210)
    assert {one.id: endpoint_secrets.texts_of(NEW, one) for one in await stored(registry)} == before
    assert await endpoint_secrets.rewrap_all(registry, BOTH) == (71, 0, 0)


async def test_a_change_that_comes_between_is_kept(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint("a"), endpoint("gone")])
    update, between = registry.update_endpoint, asyncio.Event()

    async def late(one: Endpoint, expected_revision: int) -> Endpoint:
        if not between.is_set():
            between.set()
            read = await registry.get_endpoint("a")
            assert read
            await update(msgspec.structs.replace(read, description="changed"), read.revision)
            await registry.delete_endpoint("gone")
        return await update(one, expected_revision)

    monkeypatch.setattr(registry, "update_endpoint", late)
    await endpoint_secrets.rewrap_all(registry, BOTH)
    (left,) = await stored(registry)
    assert left.description == "changed"
    assert len(endpoint_secrets.texts_of(NEW, left)) == 3


async def test_one_that_keeps_changing_is_said(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint("a")])

    async def conflict(one: Endpoint, expected_revision: int) -> Endpoint:
        raise errors.Conflict("endpoint", one.id)

    monkeypatch.setattr(registry, "update_endpoint", conflict)
    with pytest.raises(errors.Conflict):
        await endpoint_secrets.rewrap_all(registry, BOTH)


async def test_without_the_old_key_nothing_is_written(registry: Registry) -> None:
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint("a")])
    with pytest.raises(VaultError, match="k1"):
        await endpoint_secrets.rewrap_all(registry, NEW)
    assert [one.revision for one in await stored(registry)] == [1]
    assert base64.b64encode(FIRST).decode() not in repr(await stored(registry))
