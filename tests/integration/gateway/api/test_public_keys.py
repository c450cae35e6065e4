"""The public keys in memory follow the registry, with one read for many calls."""

import asyncio

import pytest

from gateway.api.public_keys import PublicKeys
from gateway.store.changes import Changes
from gateway.store.keys import RegistryKeys
from tests.integration.gateway.store.clock import HandClock
from tests.support.api_rig import Rig


async def make(rig: Rig, *names: str) -> None:
    for name in names:
        await rig.external(name, name)
        assert (await rig.patch(f"/v1/endpoints/{name}", {"signatures": ["v1a"]})).status_code == 200


def keys_of(rig: Rig, clock: HandClock | None = None) -> PublicKeys:
    return PublicKeys(rig.services.registry, clock or rig.services.clock)


async def names(keys: PublicKeys) -> list[str]:
    return [one.public_key for one in await keys.live()]


async def public(rig: Rig, name: str) -> str:
    return str((await rig.get(f"/v1/endpoints/{name}")).json()["public_key"])


async def test_keys_come_change_and_go(rig: Rig) -> None:
    keys = keys_of(rig)
    await rig.external("plain", "plain")
    assert await names(keys) == []
    await make(rig, "a", "b")
    assert await names(keys) == [await public(rig, "a"), await public(rig, "b")]
    old = await public(rig, "a")
    await rig.post("/v1/endpoints/a/secret/rotate")
    assert set(await names(keys)) == {old, await public(rig, "a"), await public(rig, "b")}
    await rig.delete("/v1/endpoints/a")
    assert await names(keys) == [await public(rig, "b")]


async def test_a_key_is_gone_when_its_time_is_over_without_a_write(rig: Rig) -> None:
    await make(rig, "a")
    await rig.post("/v1/endpoints/a/secret/rotate", {"overlap_seconds": 60})
    clock = HandClock()
    clock.ms = rig.services.clock.wall_ms()
    keys = keys_of(rig, clock)
    assert len(await names(keys)) == 2
    clock.ms += 61_000
    assert await names(keys) == [await public(rig, "a")]


async def test_calls_of_one_moment_share_a_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(rig, "a")
    keys = keys_of(rig)
    await keys.live()
    read, reads = rig.services.registry.changes_since, list[str]()

    async def counted(cursor: str) -> Changes:
        reads.append(cursor)
        return await read(cursor)

    monkeypatch.setattr(rig.services.registry, "changes_since", counted)
    found = await asyncio.gather(*(keys.live() for _ in range(50)))
    assert all(len(one) == 1 for one in found)
    assert len(reads) == 2, "the first, and one for all who asked while it ran"
    await keys.live()
    assert len(reads) == 3


async def test_a_change_stream_that_was_cut_means_to_read_everything(rig: Rig) -> None:
    await make(rig, "a")
    keys = keys_of(rig)
    await keys.live()
    await make(rig, "b")
    await rig.redis.delete(RegistryKeys.changes)
    assert len(await keys.live()) == 2


async def test_a_read_that_failed_counts_for_nobody(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await make(rig, "a")
    keys = keys_of(rig)
    tail = rig.services.registry.changes_tail

    async def failing() -> None:
        raise ConnectionError

    monkeypatch.setattr(rig.services.registry, "changes_tail", failing)
    with pytest.raises(ConnectionError):
        await keys.live()
    monkeypatch.setattr(rig.services.registry, "changes_tail", tail)
    assert len(await keys.live()) == 1
