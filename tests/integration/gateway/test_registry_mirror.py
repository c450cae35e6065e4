"""The registry in memory is the registry of the store, however it was changed and whenever it was read."""

import asyncio
import gc
import random
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreAway

from gateway import tasks
from gateway.clock import SystemClock
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.registry_mirror import RegistryMirror
from gateway.store import changes, connection, errors
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = connection.connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def registry(redis: Redis) -> Registry:
    registry = Registry(redis, SystemClock())
    await registry.bootstrap(4)
    return registry


def endpoint(name: str, subscriber: str = "shop") -> Endpoint:
    return Endpoint(name, 0, subscriber, "internal", "http://shop.local/in")


async def subscribers(registry: Registry, *names: str) -> None:
    for name in names:
        await registry.create_subscriber(Subscriber(name, "internal"))


async def same(mirror: RegistryMirror, registry: Registry) -> None:
    """The mirror has exactly what the store has."""
    await mirror.refresh()
    stored = await registry.list_endpoints()
    assert list(mirror.endpoints()) == stored
    assert len(mirror) == len(stored)
    for name in ("shop", "mail"):
        assert list(mirror.endpoints(name)) == [one for one in stored if one.subscriber == name]
    assert list(mirror.by_creation()) == sorted(stored, key=lambda one: (one.created_ms, one.id))
    for one in stored:
        assert mirror.endpoint(one.number) == mirror.named(one.id) == one


async def change(registry: Registry, chance: random.Random) -> None:
    """Do something to the registry, whether or not there is anything to do it to."""
    name, owner = f"e{chance.randrange(6)}", chance.choice(["shop", "mail"])
    step = chance.choice(["subscriber", "create", "create", "delete", "update", "update", "disable", "rarely"])
    if step == "subscriber":
        await registry.put_subscriber(Subscriber(owner, "internal"))
    elif step == "create":
        await create(registry, endpoint(name, owner))
    elif step == "delete":
        await registry.delete_endpoint(name)
    elif step == "update" and (old := await registry.get_endpoint(name)):
        await registry.update_endpoint(msgspec.structs.replace(old, event_types=("a",)), old.revision)
    elif step == "disable":
        await registry.disable(name, "operator", 1_700_000_000_000)
    elif step == "rarely" and chance.random() < 0.2:
        await registry.delete_subscriber(owner)


async def test_it_follows_whatever_is_done(registry: Registry, redis: Redis) -> None:
    chance = random.Random(3)
    mirror, late = RegistryMirror(registry), RegistryMirror(registry)
    await mirror.load()
    for _ in range(150):
        await change(registry, chance)
        if chance.random() < 0.05:
            await redis.delete(RegistryKeys.changes)
        await same(mirror, registry)
    await late.refresh()
    assert late.endpoints() == mirror.endpoints()


async def create(registry: Registry, new: Endpoint) -> None:
    try:
        await registry.create_endpoint(new)
    except (errors.SubscriberMissing, errors.AlreadyExists):
        return


async def test_who_listens_hears_of_each_value_that_went(registry: Registry, redis: Redis) -> None:
    gone: list[tuple[str, str]] = []
    mirror = RegistryMirror(registry, lambda old: gone.append((old.id, old.url)))
    await subscribers(registry, "shop")
    one, two = [await registry.create_endpoint(endpoint(name)) for name in ("one", "two")]
    await mirror.refresh()
    assert gone == []
    await registry.update_endpoint(msgspec.structs.replace(one, url="http://shop.local/new"), one.revision)
    await mirror.refresh()
    assert gone == [("one", "http://shop.local/in")]
    await registry.delete_endpoint("two")
    await redis.delete(RegistryKeys.changes)
    await mirror.refresh()
    assert gone[1:] == [("two", two.url)]
    await mirror.load()
    assert len(gone) == 2


async def test_a_load_takes_many_pages_and_names_once(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.store.registry_reads.PAGE", 10)
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint(f"e{n}") for n in range(200)])
    await registry.create_subscriber(Subscriber("mail", "internal"), [endpoint(f"m{n}", "mail") for n in range(200)])
    mirror = RegistryMirror(registry)
    await mirror.load()
    await same(mirror, registry)
    assert [one.number for one in mirror.endpoints()] == list(range(1, 401))


async def test_a_reply_that_was_read_along_is_applied(registry: Registry, redis: Redis) -> None:
    mirror = RegistryMirror(registry)
    await mirror.load()
    await subscribers(registry, "shop")
    await registry.create_endpoint(endpoint("one"))
    cursor = mirror.cursor
    await mirror.follow(cursor, await redis.execute_command(*changes.command(cursor)))
    assert [one.id for one in mirror.endpoints("shop")] == ["one"]
    assert mirror.endpoints("mail") == []


async def test_lists_begin_beyond_a_place_in_both_directions(registry: Registry) -> None:
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint(f"e{n}") for n in range(4)])
    await registry.create_subscriber(Subscriber("mail", "internal"), [endpoint(f"m{n}", "mail") for n in range(3)])
    mirror = RegistryMirror(registry)
    await mirror.load()

    def numbers(**options: Any) -> list[int]:
        return [one.number for one in mirror.by_number(**options)]

    assert numbers(after=5) == [6, 7]
    assert numbers(after=5, descending=True) == [4, 3, 2, 1]
    assert numbers(descending=True, subscriber="mail") == [7, 6, 5]
    assert numbers(after=2, subscriber="shop") == [3, 4]
    assert numbers(subscriber="nobody") == []
    everything = list(mirror.by_creation())
    place = (everything[2].created_ms, everything[2].id)
    assert list(mirror.by_creation(place)) == everything[3:]
    assert list(mirror.by_creation(place, descending=True)) == everything[1::-1]
    own = [one for one in everything if one.subscriber == "mail"]
    assert list(mirror.by_creation(subscriber="mail")) == own
    assert list(mirror.by_creation(descending=True, subscriber="mail")) == own[::-1]


async def test_it_is_kept_current_through_an_outage(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    mirror, clock, turns = RegistryMirror(registry), TurnedClock(), 0
    since = registry.changes_since

    async def sometimes_away(cursor: str) -> changes.Changes:
        nonlocal turns
        turns += 1
        if turns == 2:
            raise StoreAway
        return await since(cursor)

    monkeypatch.setattr(registry, "changes_since", sometimes_away)
    following = asyncio.create_task(mirror.keep_current(clock))
    await clock.turn()
    await subscribers(registry, "shop")
    await registry.create_endpoint(endpoint("one"))
    await clock.turn()
    assert len(mirror) == 0
    await clock.turn()
    assert len(mirror) == 1
    await tasks.end(following)


async def test_who_waits_shares_the_next_read_and_its_failure(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirror, since, reads, failing = RegistryMirror(registry), registry.changes_since, 0, True
    await mirror.load()
    await subscribers(registry, "shop")
    go_on = asyncio.Event()

    async def slow(cursor: str) -> changes.Changes:
        nonlocal reads
        reads += 1
        await go_on.wait()
        if failing:
            raise StoreAway
        return await since(cursor)

    monkeypatch.setattr(registry, "changes_since", slow)
    waiting = [asyncio.create_task(mirror.refresh()) for _ in range(50)]
    await asyncio.wait(waiting, timeout=0.01)
    go_on.set()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, StoreAway) for answer in answers)
    assert reads == 2
    failing = False
    await registry.create_endpoint(endpoint("one"))
    await asyncio.gather(*(mirror.refresh() for _ in range(50)))
    assert (len(mirror), reads <= 4) == (1, True)


class TurnedClock(SystemClock):
    """A clock whose sleeps end when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._slept, self._go_on = asyncio.Event(), asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self._slept.set()
        self._go_on.clear()
        await self._go_on.wait()

    async def turn(self) -> None:
        """One turn of what sleeps between its turns."""
        self._slept.clear()
        self._go_on.set()
        async with asyncio.timeout(5):
            await self._slept.wait()


async def test_a_large_registry_is_kept_out_of_the_garbage_collector(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pauses would grow with the registry, in the middle of deliveries."""
    await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint(f"e{n}") for n in range(20)])
    frozen = gc.get_freeze_count()
    try:
        await RegistryMirror(registry).load()
        assert gc.get_freeze_count() == frozen
        monkeypatch.setattr("gateway.registry_mirror.LARGE", 10)
        await RegistryMirror(registry).load()
        assert gc.get_freeze_count() > frozen
    finally:
        gc.unfreeze()
