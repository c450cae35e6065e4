"""Matching at scale: 100,000 endpoints and 10,000 event types, in processor time of this process alone.

Half of the endpoints are of internal subscribers, half of external ones; a quarter have a prefix pattern, one in twenty
many patterns. Every second event is addressed to an external subscriber.
"""

import asyncio
import gc
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from gateway import filters, ids, tasks
from gateway.clock import SystemClock
from gateway.matching import Index
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.model.subscriber import Kind
from gateway.registry_mirror import RegistryMirror
from gateway.store import connection, registry_values
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from tests.bench.figures import Figure
from tests.support.valkey import ValkeyServer

TYPES = tuple(f"area{number % 50}.thing{number % 1_000}.did{number}" for number in range(10_000))
SUBSCRIBERS = 5_000
FANNED_OUT = 10_000
FILTER = 'data.amount > 100 && subject.startsWith("eu/")'


def endpoint(number: int, chance: random.Random) -> Endpoint:
    """One endpoint of the registry."""
    kind = chance.random()
    patterns: tuple[str, ...] = (chance.choice(TYPES),)
    if kind < 0.25:
        patterns = (patterns[0].rpartition(".")[0] + ".*",)
    elif kind < 0.3:
        patterns = tuple(chance.sample(TYPES, 20))
    elif kind < 0.5:
        patterns = tuple(chance.sample(TYPES, 3))
    owner: Kind = "internal" if number % 2 else "external"
    return Endpoint(
        f"ep_{number:020d}", number, f"sub{number % SUBSCRIBERS}", owner, "https://receiver.example/", patterns
    )


def events(count: int, chance: random.Random) -> list[Event]:
    """Events of any type, every second one for an external subscriber."""
    payload = b'{"amount":150,"customer":{"id":7,"tier":"gold"}}'
    return [
        Event(
            ids.Address(1, number, 0), "e", "/shop", chance.choice(TYPES), payload, subject="eu/7",
            subscriber=f"sub{chance.randrange(SUBSCRIBERS)}" if number % 2 else "",
        )
        for number in range(count)
    ]  # fmt: skip


def _per_event(index: Index, some: Sequence[Event], before_each: Callable[[int], None] | None = None) -> list[float]:
    """Microseconds and matches per event; what is done before each is not counted."""
    spent = matched = 0.0
    for number, event in enumerate(some):
        if before_each is not None:
            before_each(number)
        begun = time.process_time_ns()
        matched += len(index.match(event))
        spent += time.process_time_ns() - begun
    return [spent / 1_000 / len(some), matched / len(some)]


def _beyond_matches(name: str, microseconds: float, matches: float) -> Figure:
    """An event may take 20 us and 1 us for each match."""
    facts = {"us_per_event": round(microseconds, 1), "matches_per_event": round(matches, 1)}
    return Figure(name, max(0.0, microseconds - matches), "us beyond 1 us a match", "<= 20", facts)


def matching(endpoints: int = 100_000) -> list[Figure]:
    """What an event and a change cost, with many endpoints registered."""
    chance = random.Random(1)
    registered = [endpoint(number, chance) for number in range(1, endpoints + 1)]
    index = Index(registered)
    some = events(5_000, chance)
    # as the registry in memory does when it is large
    gc.freeze()

    def change(number: int) -> None:
        index.put(registered[number % len(registered)])

    figures = [
        _beyond_matches("match among 100,000 endpoints, first event of its kind", *_per_event(index, some)),
        _beyond_matches("match among 100,000 endpoints, after a registry change", *_per_event(index, some, change)),
        Figure("registry change in memory", _microseconds(change, 5_000), "us", "<= 100"),
        Figure("filter, one evaluation for one event", _microseconds(_filtered(some), 5_000), "us"),
    ]
    for number in range(FANNED_OUT):
        name = f"ep_{endpoints + number:020d}x"
        index.put(Endpoint(name, 2 * endpoints + number, "all", "internal", "https://receiver.example/", ("order.*",)))
    fanned = [msgspec.structs.replace(event, type="order.placed", subscriber="") for event in some[:20]]
    figures.append(_beyond_matches("match of 10,000 endpoints", *_per_event(index, fanned, change)))
    gc.unfreeze()
    return figures


def _filtered(some: Sequence[Event]) -> Callable[[int], None]:
    compiled = filters.compile(FILTER)

    def evaluate(number: int) -> None:
        compiled.matches(filters.EventValues(some[number % len(some)]))

    return evaluate


def _microseconds(work: Callable[[int], None], times: int) -> float:
    begun = time.process_time_ns()
    for number in range(times):
        work(number)
    return (time.process_time_ns() - begun) / 1_000 / times


def loading(endpoints: int = 100_000) -> list[Figure]:
    """How long a process that starts reads the registry, and what the longest turn of its event loop costs."""
    with ValkeyServer() as server:
        seconds, spent, still = asyncio.run(_load(server.url, endpoints))
    gc.unfreeze()
    facts = {"cpu_s": round(spent, 2)}
    return [
        Figure("start: the registry of 100,000 endpoints into memory", seconds, "s", "<= 10", facts),
        Figure("start: longest turn of the event loop", still * 1_000, "ms", "<= 50"),
    ]


async def _load(url: str, endpoints: int) -> tuple[float, float, float]:
    chance = random.Random(1)
    redis = connection.connect(url)
    registry = Registry(redis, SystemClock())
    await registry.bootstrap(4)
    for start in range(1, endpoints + 1, 1_000):
        made = [endpoint(number, chance) for number in range(start, min(start + 1_000, endpoints + 1))]
        packed: dict[Any, Any] = {
            one.id: registry_values.pack_endpoint(one, bytes(registry_values.TOKEN_BYTES)) for one in made
        }
        await redis.hset(RegistryKeys.endpoints, mapping=packed)
    mirror = RegistryMirror(registry)
    begun, spent = time.monotonic(), time.process_time()
    loading_ = asyncio.create_task(mirror.load())
    still = await _longest_turn(loading_)
    seconds, spent = time.monotonic() - begun, time.process_time() - spent
    assert len(mirror) == endpoints
    await redis.aclose()
    return seconds, spent, still


async def _longest_turn(task: asyncio.Task[None]) -> float:
    """Seconds of processor time of the longest turn of the event loop until the task is done."""
    longest, last = 0.0, time.thread_time()
    while not task.done():
        await tasks.let_others()
        now = time.thread_time()
        longest, last = max(longest, now - last), now
    await task
    return longest


def measure(_bench: object = None) -> list[Figure]:
    """All rows of this file; about 10 s."""
    return [*matching(), *loading()]
