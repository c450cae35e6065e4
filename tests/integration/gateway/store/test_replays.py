import asyncio

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import OutOfMemoryError

from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.model.subscriber import Subscriber
from gateway.store import connection, errors
from gateway.store.health import HealthReport, HealthStore
from gateway.store.members import Members
from gateway.store.registry import Registry
from gateway.store.replays import Replays
from tests.integration.gateway.store.clock import HandClock
from tests.support.valkey import ValkeyServer


def replay(replay_id: str) -> Replay:
    return Replay(replay_id, 0, "ep_1", 1, 1_000, 2_000)


@pytest.fixture
def replays(redis: Redis, clock: HandClock) -> Replays:
    return Replays(redis, clock)


async def test_a_replay_gets_a_run_of_its_own_and_is_stored(replays: Replays, clock: HandClock) -> None:
    first, second = await replays.create(replay("rpl_1")), await replays.create(replay("rpl_2"))
    assert (first.run, second.run) == (1, 2)
    assert (first.created_ms, first.updated_ms) == (clock.ms, clock.ms)
    assert await replays.get("rpl_1") == first
    assert await replays.get("missing") is None


async def test_replays_are_listed_newest_first(replays: Replays, clock: HandClock) -> None:
    assert await replays.list_all() == []
    for name in ("rpl_b", "rpl_c", "rpl_a"):
        clock.ms += 1
        await replays.create(replay(name))
    assert [each.id for each in await replays.list_all()] == ["rpl_a", "rpl_c", "rpl_b"]


async def test_an_update_replaces_what_was_read_only(replays: Replays, clock: HandClock) -> None:
    read = await replays.create(replay("rpl_1"))
    clock.ms += 10
    stored = await replays.update(read, msgspec.structs.replace(read, status="running", run=99, created_ms=1))
    assert stored == msgspec.structs.replace(read, status="running", updated_ms=clock.ms)
    assert await replays.get("rpl_1") == stored
    with pytest.raises(errors.Conflict, match="rpl_1"):
        await replays.update(read, msgspec.structs.replace(read, status="cancelled"))
    with pytest.raises(errors.Conflict):
        await replays.update(replay("missing"), replay("missing"))
    assert await replays.get("rpl_1") == stored


async def test_a_change_that_decides_nothing_leaves_it_as_it_is(replays: Replays) -> None:
    made = await replays.create(replay("rpl_1"))
    assert await replays.change("rpl_1", lambda read: None) == made
    assert await replays.change("missing", lambda read: read) is None


async def test_a_cancel_and_many_slices_at_once_overwrite_nothing(plain_redis: Redis, clock: HandClock) -> None:
    replays = Replays(plain_redis, clock)
    await replays.create(replay("rpl_1"))

    def advance(read: Replay) -> Replay:
        return msgspec.structs.replace(read, beat=read.beat + 1)

    def cancel(read: Replay) -> Replay:
        return msgspec.structs.replace(read, status="cancelled")

    slices = [replays.change("rpl_1", advance) for _ in range(10)]
    await asyncio.gather(*slices[:5], replays.change("rpl_1", cancel), *slices[5:])
    stored = await replays.get("rpl_1")
    assert stored
    assert (stored.beat, stored.status) == (10, "cancelled")


async def test_a_full_store_takes_no_new_replay_but_every_change(valkey_server: ValkeyServer, clock: HandClock) -> None:
    client = connection.connect(valkey_server.url)
    replays, registry = Replays(client, clock), Registry(client, clock)
    made = Endpoint("a", 0, "shop", "internal", "http://shop.local/in")
    await registry.bootstrap(4)
    await registry.create_subscriber(Subscriber("shop", "internal"), [made])
    running = await replays.create(replay("rpl_1"))
    await client.config_set("maxmemory", 1)
    with pytest.raises(OutOfMemoryError):
        await replays.create(replay("rpl_2"))
    assert (await replays.update(running, msgspec.structs.replace(running, status="cancelled"))).status == "cancelled"
    await registry.create_endpoint(msgspec.structs.replace(made, id="b"))
    assert await registry.disable("a", "gone", 1_000)
    assert await registry.enable("a")
    assert await HealthStore(client).report([HealthReport(1, "a", 1, last_success_ms=1)], 3_600, 1_000) == []
    assert await Members(client, HandClock()).beat("one") == {"one": 1}
    assert await registry.delete_subscriber("shop")
    await client.aclose()
