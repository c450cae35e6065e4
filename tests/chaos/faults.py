"""What can happen to a system under load, and when: a timeline of named faults."""

import dataclasses
import random
from collections.abc import Callable, Iterator

from tests.support.power import UnsafePower
from tests.support.system import System

PAUSE_SECONDS = 12.5
"""Longer than a lease: another dispatcher has taken over when the stopped one goes on."""


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Step:
    """At `at` seconds of load, do `fault` to `part`."""

    at: float
    fault: str
    part: str


def kill(system: System, part: str) -> None:
    """kill -9 of a part, which starts again at once."""
    system.kill9(part)
    system.start(part)


def power_cut(system: System, part: str) -> None:
    """The store's machine loses its power: what was not synced is gone, or half of it."""
    assert isinstance(system.store, UnsafePower)
    system.store.power_cut()
    system.start(part)


def pause(system: System, part: str) -> None:
    """SIGSTOP."""
    system.pause(part)


def resume(system: System, part: str) -> None:
    """SIGCONT."""
    system.resume(part)


FAULTS: dict[str, Callable[[System, str], None]] = {
    "kill": kill,
    "power_cut": power_cut,
    "pause": pause,
    "resume": resume,
}

SHORT = (
    Step(0.5, "pause", "dispatcher-1"),
    Step(1.5, "kill", "gateway"),
    Step(4.0, "kill", "store"),
    Step(7.0, "power_cut", "store"),
    Step(10.0, "kill", "gateway"),
    Step(0.5 + PAUSE_SECONDS, "resume", "dispatcher-1"),
    Step(15.0, "kill", "dispatcher-0"),
    Step(17.0, "power_cut", "store"),
    Step(18.5, "kill", "dispatcher-1"),
)
"""Everything once, in twenty seconds."""


def drawn(seconds: float, seed: int, dispatchers: int, every: float = 5.0) -> Iterator[Step]:
    """A timeline of any length from a seed: a fault every few seconds, at most one dispatcher stopped at a time."""
    source = random.Random(seed)
    at, stopped_until = every, 0.0
    while at < seconds:
        dispatcher = f"dispatcher-{source.randrange(dispatchers)}"
        choices = [("kill", "gateway"), ("kill", "store"), ("power_cut", "store"), ("kill", dispatcher)]
        if at > stopped_until:
            choices.append(("pause", dispatcher))
        fault, part = source.choice(choices)
        yield Step(at, fault, part)
        if fault == "pause":
            stopped_until = at + PAUSE_SECONDS
            yield Step(stopped_until, "resume", part)
        at += source.uniform(0.5, 1.5) * every
