import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from gateway.egress.errors import NameNotResolved
from gateway.egress.resolver import Resolver, ResolverLimits, system_lookup
from tests.support.clock import HandClock


class Names:
    """A lookup whose answers, failures and pace a test decides; it counts what it was asked."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.known: dict[str, list[str]] = {}
        self.seconds: dict[str, float] = {}
        self.gates: dict[str, threading.Event] = {}
        self.asked: list[str] = []

    def __call__(self, name: str) -> Sequence[str]:
        self.asked.append(name)
        if name in self.gates:
            self.gates[name].wait(10)
        self.clock.now += self.seconds.get(name, 0)
        if name not in self.known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return self.known[name]


async def one_turn() -> None:
    """Let every task that is ready run up to its next await."""

    async def last_in_the_queue() -> None:
        return

    await asyncio.ensure_future(last_in_the_queue())


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def names(clock: HandClock) -> Names:
    return Names(clock)


@pytest.fixture
def resolver(clock: HandClock, names: Names) -> Iterator[Resolver]:
    resolver = Resolver(clock, names, ResolverLimits(threads=2, names=3))
    yield resolver
    for gate in names.gates.values():
        gate.set()
    resolver.close()


async def test_addresses_keep_their_order_and_are_remembered(
    resolver: Resolver, names: Names, clock: HandClock
) -> None:
    names.known["a.example"] = ["8.8.8.8", "2606:4700::1111"]
    assert await resolver.resolve("a.example") == ["8.8.8.8", "2606:4700::1111"]
    clock.now += 29.9
    assert await resolver.resolve("a.example") == ["8.8.8.8", "2606:4700::1111"]
    assert names.asked == ["a.example"]
    clock.now += 0.2
    names.known["a.example"] = ["9.9.9.9"]
    assert await resolver.resolve("a.example") == ["9.9.9.9"]


async def test_a_failure_is_remembered_for_a_moment_only(resolver: Resolver, names: Names, clock: HandClock) -> None:
    for _ in range(2):
        with pytest.raises(NameNotResolved, match=r"a\.example.*not known"):
            await resolver.resolve("a.example")
    assert names.asked == ["a.example"]
    clock.now += 2.1
    names.known["a.example"] = ["8.8.8.8"]
    assert await resolver.resolve("a.example") == ["8.8.8.8"]


@pytest.mark.parametrize(("took", "remembered"), [(1.0, 2.0), (12.0, 12.0), (90.0, 30.0)])
async def test_a_failure_that_took_long_is_remembered_as_long(
    took: float, remembered: float, resolver: Resolver, names: Names, clock: HandClock
) -> None:
    names.seconds["dead.example"] = took
    for wait in (0.0, remembered - 0.1):
        clock.now += wait
        with pytest.raises(NameNotResolved):
            await resolver.resolve("dead.example")
    assert names.asked == ["dead.example"]
    names.known["dead.example"] = ["8.8.8.8"]
    clock.now += 0.2
    assert await resolver.resolve("dead.example") == ["8.8.8.8"]


async def test_a_name_never_asked_before_is_not_stalled_by_many_that_hang(clock: HandClock, names: Names) -> None:
    resolver = Resolver(clock, names)
    names.gates.update({f"slow{number}.example": threading.Event() for number in range(64)})
    stuck = [asyncio.ensure_future(resolver.resolve(name)) for name in names.gates]
    await one_turn()
    for number in range(20):
        names.known[f"new{number}.example"] = ["8.8.8.8"]
        started = time.monotonic()
        assert await resolver.resolve(f"new{number}.example") == ["8.8.8.8"]
        assert time.monotonic() - started < 0.5
    assert not any(waiting.done() for waiting in stuck)
    resolver.close()
    for gate in names.gates.values():
        gate.set()
    await asyncio.gather(*stuck, return_exceptions=True)


async def test_no_address_at_all_is_a_failure(resolver: Resolver, names: Names) -> None:
    names.known["a.example"] = []
    with pytest.raises(NameNotResolved, match="no address"):
        await resolver.resolve("a.example")


async def test_a_lookup_that_breaks_is_a_failure_and_the_thread_lives(clock: HandClock) -> None:
    def broken(name: str) -> list[str]:
        raise KeyError(name)

    resolver = Resolver(clock, broken, ResolverLimits(threads=1))
    for name in ("a.example", "b.example"):
        with pytest.raises(NameNotResolved, match=name):
            await resolver.resolve(name)
    resolver.close()


async def test_concurrent_callers_share_one_lookup(resolver: Resolver, names: Names) -> None:
    names.known["a.example"] = ["8.8.8.8"]
    names.gates["a.example"] = threading.Event()
    callers = [asyncio.ensure_future(resolver.resolve("a.example")) for _ in range(5)]
    names.gates["a.example"].set()
    assert await asyncio.gather(*callers) == [["8.8.8.8"]] * 5
    assert names.asked == ["a.example"]


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_others(resolver: Resolver, names: Names) -> None:
    names.known["a.example"] = ["8.8.8.8"]
    names.gates["a.example"] = threading.Event()
    impatient = asyncio.ensure_future(resolver.resolve("a.example"))
    patient = asyncio.ensure_future(resolver.resolve("a.example"))
    await one_turn()
    impatient.cancel()
    names.gates["a.example"].set()
    assert await patient == ["8.8.8.8"]


async def test_slow_names_do_not_stall_a_quick_one(resolver: Resolver, names: Names, clock: HandClock) -> None:
    names.known.update({"quick.example": ["8.8.8.8"], "slow.example": ["9.9.9.9"]})
    await resolver.resolve("quick.example")
    clock.now += 60
    names.gates.update({name: threading.Event() for name in ("slow.example", "new.example", "other.example")})
    stuck = [asyncio.ensure_future(resolver.resolve(name)) for name in names.gates]
    assert await asyncio.wait_for(resolver.resolve("quick.example"), 5) == ["8.8.8.8"]
    assert not any(waiting.done() for waiting in stuck)
    for waiting in stuck:
        waiting.cancel()


async def test_a_name_that_was_slow_last_time_no_longer_counts_as_quick(
    resolver: Resolver, names: Names, clock: HandClock
) -> None:
    names.known.update({"a.example": ["8.8.8.8"], "b.example": ["9.9.9.9"]})
    names.seconds.update({"a.example": 0.6, "b.example": 0.6})
    await resolver.resolve("a.example")
    await resolver.resolve("b.example")
    clock.now += 60
    names.gates["a.example"] = threading.Event()
    first = asyncio.ensure_future(resolver.resolve("a.example"))
    second = asyncio.ensure_future(resolver.resolve("b.example"))
    names.known["c.example"] = ["1.1.1.1"]
    third = asyncio.ensure_future(resolver.resolve("c.example"))
    await one_turn()
    names.gates["a.example"].set()
    assert await third == ["1.1.1.1"]
    assert await second == ["9.9.9.9"]
    assert await first == ["8.8.8.8"]
    assert names.asked[2:] == ["a.example", "c.example", "b.example"]


async def test_memory_is_bounded_oldest_name_first(resolver: Resolver, names: Names) -> None:
    for name in ("a", "b", "c", "d"):
        names.known[name] = ["8.8.8.8"]
        await resolver.resolve(name)
    await resolver.resolve("d")
    assert names.asked == ["a", "b", "c", "d"]
    await resolver.resolve("a")
    assert names.asked == ["a", "b", "c", "d", "a"]


async def test_close_cancels_who_waits(resolver: Resolver, names: Names) -> None:
    names.gates["a.example"] = threading.Event()
    waiting = asyncio.ensure_future(resolver.resolve("a.example"))
    await one_turn()
    resolver.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_an_answer_after_the_end_of_the_loop_is_dropped(clock: HandClock, names: Names) -> None:
    names.gates["a.example"] = threading.Event()
    resolver = Resolver(clock, names, ResolverLimits(threads=1))

    async def give_up() -> None:
        waiting = asyncio.ensure_future(resolver.resolve("a.example"))
        await one_turn()
        waiting.cancel()

    asyncio.run(give_up())
    own = [thread for thread in threading.enumerate() if thread.name == "hookline-lookup"]
    names.gates["a.example"].set()
    resolver.close()
    for thread in own:
        thread.join(5)
        assert not thread.is_alive()


def test_the_machines_resolver_knows_literals_and_localhost() -> None:
    assert system_lookup("127.0.0.1") == ["127.0.0.1"]
    assert set(system_lookup("localhost")) <= {"127.0.0.1", "::1"}
    with pytest.raises(OSError, match=r"."):
        system_lookup("a" * 63 + ".invalid")
