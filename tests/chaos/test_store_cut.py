"""The append-only file ends anywhere in what the last script wrote (FAULTS 1, row 5).

The store then has the state before that script or the one after it, never half of it.
"""

import contextlib
import functools
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from gateway import ids
from gateway.clock import SystemClock
from gateway.model.delivery import Reason, Record, State
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.store import connection
from gateway.store.registry import Registry
from tests.chaos.lengths import length
from tests.support.filled_store import FilledStore
from tests.support.valkey import ValkeyServer

pytestmark = pytest.mark.chaos
RESTARTS = length(1, 20)
HOME = ids.partition_of("e-1", 4)
DUE_MS = 1_900_000_000_000


class Written:
    """A store whose append-only file is looked at and cut; reading it again costs half a millisecond."""

    def __init__(self, server: ValkeyServer, redis: Redis) -> None:
        self.server, self.redis = server, redis
        self.filled: FilledStore
        self.registry = Registry(redis, SystemClock())
        self.address: ids.Address
        self._random = random.Random(5)

    @property
    def file(self) -> Path:
        """What is being appended to."""
        (found,) = self.server.directory.glob("*/*.incr.aof")
        return found

    async def state_after(self, content: bytes) -> bytes:
        """A digest of everything that the store has when its file ends here."""
        with self.file.open("r+b") as file:
            file.truncate(0)
            file.write(content)
        with contextlib.suppress(ResponseError):  # it says so when the file was cut, and has loaded it all the same
            await self.redis.execute_command("DEBUG", "LOADAOF")
        return bytes(await self.redis.execute_command("DEBUG", "DIGEST"))

    async def state_after_restart(self, content: bytes) -> bytes:
        """The same by a new process."""
        self.server.kill9()
        self.file.write_bytes(content)
        self.server.start()
        return bytes(await self.redis.execute_command("DEBUG", "DIGEST"))

    async def cut_everywhere(self, work: Callable[[], Awaitable[object]]) -> int:
        """Run a script, cut what it wrote at every byte; how many bytes that were."""
        start = self.file.stat().st_size
        before = bytes(await self.redis.execute_command("DEBUG", "DIGEST"))
        await work()
        content = self.file.read_bytes()
        after = bytes(await self.redis.execute_command("DEBUG", "DIGEST"))
        assert after != before
        for end in range(start, len(content)):
            assert await self.state_after(content[:end]) == before, f"half a script at byte {end - start}"
        for _ in range(RESTARTS):
            end = self._random.randrange(start, len(content))
            assert await self.state_after_restart(content[:end]) == before
        assert await self.state_after_restart(content) == after
        return len(content) - start


@pytest.fixture
async def written() -> AsyncIterator[Written]:
    with ValkeyServer({"enable-debug-command": "local"}) as server:
        redis = connection.connect(server.url)
        store = Written(server, redis)
        store.filled = await FilledStore.open(redis)
        yield store
        await redis.aclose()


async def append(store: Written) -> None:
    store.address = await store.filled.publish(HOME, id="e-1", subject="order/1")


async def settle(store: Written) -> None:
    """One delivered, one to be retried, one dead; and the mark."""
    await store.filled.settle(
        store.address,
        {
            1: Record(State.DELIVERED, attempts=1, status=200),
            2: Record(State.SCHEDULED, attempts=1, status=500, due_ms=DUE_MS),
            3: Record(State.DEAD, attempts=1, status=410, reason=Reason.GONE),
        },
    )


async def retry(store: Written) -> None:
    """The second attempt of one of them succeeds."""
    before = Record(State.SCHEDULED, attempts=1, status=500, due_ms=DUE_MS)
    after = Record(State.DELIVERED, attempts=2, status=200)
    await store.filled.change(ids.DeliveryKey(*store.address, 2), before, after)


async def register(store: Written) -> None:
    """A subscriber with three endpoints."""
    endpoints = [Endpoint(f"ep_{n}", 0, "acme", "internal", f"https://{n}.example/") for n in range(3)]
    await store.registry.create_subscriber(Subscriber("acme", "internal"), endpoints)


async def unregister(store: Written) -> None:
    """All of it goes."""
    await store.registry.delete_subscriber("acme")


async def test_it_is_as_before_the_script_or_as_after_it(written: Written) -> None:
    await written.registry.bootstrap(4)
    for work in (append, settle, retry, register, unregister)[: length(3, 5)]:
        size = await written.cut_everywhere(functools.partial(work, written))
        assert size > 100, work.__name__
