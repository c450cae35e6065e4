import asyncio
from collections.abc import Callable
from math import inf

import pytest
from hypothesis import given, strategies

from dispatcher.sender.deadlines import Deadlines
from gateway.clock import SystemClock
from tests.support.clock import HandClock


class Thing:
    def __init__(self, deadline: float, then: Callable[[], None] = lambda: None) -> None:
        self.deadline = deadline
        self.watched = inf
        self.expired = 0
        self._then = then

    def expire(self) -> None:
        self.expired += 1
        self._then()


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def deadlines(clock: HandClock) -> Deadlines:
    return Deadlines(clock, asyncio.get_running_loop(), 0.05)


async def test_expires_in_the_first_tick_after_the_deadline(deadlines: Deadlines, clock: HandClock) -> None:
    thing = Thing(clock.now + 1)
    deadlines.watch(thing)
    clock.now += 0.999
    assert deadlines.run_once() == 0
    clock.now += 0.052
    assert deadlines.run_once() == 1
    assert thing.expired == 1
    clock.now += 10
    assert deadlines.run_once() == 0


async def test_a_deadline_that_moved_on_is_watched_anew(deadlines: Deadlines, clock: HandClock) -> None:
    thing = Thing(clock.now + 1)
    deadlines.watch(thing)
    thing.deadline += 5
    clock.now += 2
    assert deadlines.run_once() == 0
    assert thing.watched >= thing.deadline
    clock.now += 4.1
    assert deadlines.run_once() == 1


async def test_an_earlier_deadline_replaces_the_watch(deadlines: Deadlines, clock: HandClock) -> None:
    thing = Thing(clock.now + 10)
    deadlines.watch(thing)
    thing.deadline = clock.now + 1
    deadlines.watch(thing)
    clock.now += 1.1
    assert deadlines.run_once() == 1
    clock.now += 10
    assert deadlines.run_once() == 0


async def test_what_is_forgotten_never_expires(deadlines: Deadlines, clock: HandClock) -> None:
    thing = Thing(clock.now + 1)
    deadlines.watch(thing)
    deadlines.forget(thing)
    assert thing.watched == inf
    clock.now += 2
    assert deadlines.run_once() == 0


async def test_one_that_expires_may_forget_its_neighbour(deadlines: Deadlines, clock: HandClock) -> None:
    things: list[Thing] = []

    def forget_all() -> None:
        for thing in things:
            deadlines.forget(thing)

    things += [Thing(clock.now + 1, forget_all), Thing(clock.now + 1, forget_all)]
    for thing in things:
        deadlines.watch(thing)
    clock.now += 2
    assert deadlines.run_once() == 1


@given(delay=strategies.floats(0, 100), step=strategies.floats(0.001, 3))
def test_never_early_and_at_most_a_tick_late(delay: float, step: float) -> None:
    loop = asyncio.new_event_loop()
    clock = HandClock()
    deadlines = Deadlines(clock, loop, 0.05)
    thing = Thing(clock.now + delay)
    deadlines.watch(thing)
    while not thing.expired:
        before = clock.now
        clock.now += step
        deadlines.run_once()
        assert thing.expired or clock.now <= thing.deadline + 0.05 + 1e-9
    assert clock.now >= thing.deadline
    assert before <= thing.deadline + 0.05 + 1e-9
    deadlines.close()
    loop.close()


async def test_the_timer_runs_while_there_is_something_to_watch() -> None:
    clock = SystemClock()
    deadlines = Deadlines(clock, asyncio.get_running_loop(), 0.005)
    expired = asyncio.Event()
    started = clock.monotonic()
    deadlines.watch(Thing(started + 0.02, expired.set))
    await asyncio.wait_for(expired.wait(), 5)
    assert clock.monotonic() - started >= 0.02
    expired.clear()
    deadlines.watch(Thing(clock.monotonic(), expired.set))
    await asyncio.wait_for(expired.wait(), 5)
    deadlines.close()
