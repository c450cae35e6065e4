"""A replay that stands still gets a slice; one that moves, waits in the queue or has ended does not."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as StoreAway

from dispatcher.jobs.timing import NORMAL
from dispatcher.jobs.watch import Watch
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.model.subscriber import Subscriber
from gateway.store import connection, marks
from gateway.store.jobs import Jobs
from gateway.store.registry import Registry
from gateway.store.replays import Replays
from tests.integration.gateway.store.clock import HandClock
from tests.support.valkey import ValkeyServer


class Watched:
    """A watch with what it looks at."""

    def __init__(self, redis: Redis, url: str) -> None:
        self.redis, self.clock, self.jobs = redis, HandClock(), Jobs(url)
        self.replays = Replays(redis, self.clock)
        self.watch = Watch(redis, self.jobs, self.clock, NORMAL)

    async def replay(self, name: str, **fields: object) -> Replay:
        return await self.replays.create(msgspec.structs.replace(Replay(name, 0, "ep_1", 1, 0, 1), **fields))

    async def beat(self, name: str) -> None:
        await self.replays.change(name, lambda read: msgspec.structs.replace(read, beat=read.beat + 1))

    async def after(self, seconds: float) -> list[str]:
        """What is revived so many seconds later."""
        self.clock.ms += int(seconds * 1_000)
        return (await self.watch.run_once()).revived


@pytest.fixture
async def watched(valkey_url: str) -> AsyncIterator[Watched]:
    client = connection.connect(valkey_url)
    await client.flushall()
    watched = Watched(client, valkey_url)
    yield watched
    watched.jobs.close()
    await client.aclose()


async def test_a_replay_that_stands_still_for_the_whole_time_gets_a_job_with_a_new_token(watched: Watched) -> None:
    await watched.replay("rpl_1", status="running", token="lost", phase="send", queued=7)
    assert await watched.after(0) == []
    assert await watched.after(19) == []
    assert await watched.after(1) == ["rpl_1"]
    stored = await watched.replays.get("rpl_1")
    assert stored
    assert stored.token not in {"lost", ""}
    assert (stored.status, stored.queued) == ("running", 7)
    assert watched.jobs.holds("rpl_1", stored.token)


async def test_one_that_beats_is_left_alone(watched: Watched) -> None:
    await watched.replay("rpl_1", status="running", token="alive")
    for _ in range(10):
        assert await watched.after(19) == []
        await watched.beat("rpl_1")


async def test_one_whose_job_waits_is_left_alone_until_the_job_is_gone(watched: Watched) -> None:
    await watched.replay("rpl_1")
    await watched.jobs.start_replay("rpl_1")
    for _ in range(4):
        assert await watched.after(30) == []


async def test_one_that_was_never_queued_is_found(watched: Watched) -> None:
    await watched.replay("rpl_1")
    assert await watched.after(0) == []
    assert await watched.after(20) == ["rpl_1"]
    assert await watched.after(60) == [], "its job waits now"


async def test_finished_ones_are_left_alone(watched: Watched) -> None:
    for status in ("completed", "failed", "cancelled"):
        await watched.replay(f"rpl_{status}", status=status)
    assert await watched.after(0) == []
    assert await watched.after(100) == []
    assert (await watched.watch.run_once()).unfinished == 0


async def test_of_two_watches_one_acts(watched: Watched) -> None:
    await watched.replay("rpl_1", status="running")
    other = Watch(watched.redis, watched.jobs, watched.clock, NORMAL)
    await other.run_once()
    assert await watched.after(0) == []
    watched.clock.ms += 20_000
    found = [*(await watched.watch.run_once()).revived, *(await other.run_once()).revived]
    assert found == ["rpl_1"]


async def test_an_endpoint_that_waits_for_a_replay_which_has_ended_waits_no_longer(watched: Watched) -> None:
    registry = Registry(watched.redis, watched.clock)
    endpoint = Endpoint("ep_1", 0, "shop", "internal", "https://shop.test/", ordered=True)
    (stored,) = await registry.create_subscriber(Subscriber("shop", "internal"), [endpoint])
    await watched.replay("rpl_1", status="running", catch_up=True)
    assert await marks.put(registry, stored, "rpl_1")
    assert (await watched.watch.run_once()).released == []
    await watched.replays.change("rpl_1", lambda read: msgspec.structs.replace(read, status="completed"))
    assert (await watched.watch.run_once()).released == ["ep_1"]
    found = await registry.get_endpoint("ep_1")
    assert found is not None
    assert found.catch_up == ""


async def test_time_in_which_nothing_could_be_seen_does_not_count(valkey_server: ValkeyServer) -> None:
    client = connection.connect(valkey_server.url)
    watched = Watched(client, valkey_server.url)
    await watched.replay("rpl_1", status="running")
    assert await watched.after(0) == []
    valkey_server.kill9()
    with pytest.raises(StoreAway):
        await watched.after(60)
    valkey_server.start()
    assert await watched.after(0) == []
    assert await watched.after(19) == []
    assert await watched.after(1) == ["rpl_1"]
    watched.jobs.close()
    await client.aclose()
