"""Endpoints that wait for a replay which has ended are found and let go, whatever was lost on the way."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from dispatcher.jobs.marked import Marked
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay, ReplayStatus
from gateway.model.subscriber import Subscriber
from gateway.store import connection, marks
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from gateway.store.replays import Replays
from tests.integration.gateway.store.clock import HandClock


class Marking:
    """Endpoints `a` and `b`, and who watches them."""

    def __init__(self, redis: Redis) -> None:
        clock = HandClock()
        self.redis, self.registry, self.replays = redis, Registry(redis, clock), Replays(redis, clock)
        self.marked = Marked(redis, clock, self.replays)

    async def begin(self) -> None:
        await self.redis.flushall()
        made = [Endpoint(name, 0, "shop", "internal", "https://shop.test/", ordered=True) for name in "ab"]
        await self.registry.create_subscriber(Subscriber("shop", "internal"), made)

    async def replay(self, replay_id: str, endpoint: str, status: ReplayStatus = "running") -> None:
        await self.replays.create(Replay(replay_id, 0, endpoint, 1, 0, 1, catch_up=True, status=status))
        await self.mark(endpoint, replay_id)

    async def mark(self, endpoint: str, replay_id: str) -> None:
        read = await self.registry.get_endpoint(endpoint)
        assert read is not None
        assert await marks.put(self.registry, read, replay_id)

    async def end(self, replay_id: str, status: ReplayStatus) -> None:
        await self.replays.change(replay_id, lambda read: msgspec.structs.replace(read, status=status))

    async def marks(self) -> dict[str, str]:
        return {one.id: one.catch_up for one in await self.registry.list_endpoints()}


@pytest.fixture
async def marking(valkey_url: str) -> AsyncIterator[Marking]:
    client = connection.connect(valkey_url)
    marking = Marking(client)
    await marking.begin()
    yield marking
    await client.aclose()


@pytest.mark.parametrize("seen_before", [True, False])
@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
async def test_one_that_waits_for_an_ended_replay_waits_no_longer(
    marking: Marking, status: ReplayStatus, seen_before: bool
) -> None:
    await marking.replay("rpl_1", "a")
    await marking.replay("rpl_2", "b")
    if seen_before:
        assert await marking.marked.release() == []
        assert marking.marked.marks == {"a": "rpl_1", "b": "rpl_2"}
    await marking.end("rpl_1", status)
    assert await marking.marked.release() == ["a"]
    assert await marking.marks() == {"a": "", "b": "rpl_2"}
    assert await marking.marked.release() == []
    assert marking.marked.marks == {"b": "rpl_2"}


async def test_a_mark_of_a_replay_that_there_is_not_is_cleared(marking: Marking) -> None:
    assert await marking.marked.release() == []
    await marking.mark("b", "rpl_gone")
    assert await marking.marked.release() == ["b"]
    assert await marking.marks() == {"a": "", "b": ""}


async def test_a_mark_that_another_replay_has_taken_stays(marking: Marking) -> None:
    await marking.replay("rpl_1", "a")
    assert await marking.marked.release() == []
    await marking.end("rpl_1", "completed")
    await marking.replay("rpl_2", "a")
    assert await marking.marked.release() == []
    assert (await marking.marks())["a"] == "rpl_2"


@pytest.mark.parametrize("lost", ["deleted", "trimmed"])
async def test_changes_that_were_not_seen_are_made_up_for(marking: Marking, lost: str) -> None:
    await marking.replay("rpl_1", "a")
    assert await marking.marked.release() == []
    await marking.end("rpl_1", "completed")
    await marking.mark("a", "")
    await marking.replay("rpl_2", "b", "failed")
    if lost == "deleted":
        await marking.redis.delete(RegistryKeys.changes)
    else:
        await marking.redis.xtrim(RegistryKeys.changes, maxlen=1, approximate=False)
    assert await marking.marked.release() == ["b"]
    assert marking.marked.marks == {}


async def test_more_changes_than_a_page_are_read_to_their_end(marking: Marking) -> None:
    assert await marking.marked.release() == []
    pipeline = marking.redis.pipeline(transaction=False)
    for _ in range(1_500):
        pipeline.xadd(RegistryKeys.changes, {"kind": "endpoint", "id": "b"})
    await pipeline.execute()
    await marking.replay("rpl_1", "a", "completed")
    assert await marking.marked.release() == ["a"]


async def test_an_endpoint_that_was_deleted_is_forgotten(marking: Marking) -> None:
    await marking.replay("rpl_1", "a")
    assert await marking.marked.release() == []
    await marking.registry.delete_endpoint("a")
    await marking.end("rpl_1", "failed")
    assert await marking.marked.release() == []
    assert marking.marked.marks == {}
