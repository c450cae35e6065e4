"""What can happen to a system under load, and when: a timeline of named faults."""

import contextlib
import dataclasses
import random
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import httpx

from receivers import generate_secret
from tests.support.power import UnsafePower
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import wait_until

PAUSE_SECONDS = 12.5
"""Longer than a lease: another dispatcher has taken over when the stopped one goes on."""
OVERLAP_SECONDS = 2
KNOWN_SECRETS = 3
"""What a receiver keeps; never fewer than sign, also for an attempt that was stopped on its way."""


class Scenery(Protocol):
    """Where faults happen; by the name of the receiver, `endpoint_ids` of the system, and the `secrets` it knows."""

    system: System
    sink: SinkProcess
    endpoint_ids: dict[str, str]
    secrets: dict[str, list[str]]


@dataclasses.dataclass(frozen=True, order=True, slots=True)
class Step:
    """At `at` seconds of load, do `fault` to `part`, which is a part of the system or the name of an endpoint."""

    at: float
    fault: str
    part: str


def kill(scenery: Scenery, part: str) -> None:
    """kill -9 of a part, which starts again at once."""
    scenery.system.kill9(part)
    scenery.system.start(part)


def power_cut(scenery: Scenery, part: str) -> None:
    """The store's machine loses its power: what was not synced is gone, or half of it."""
    assert isinstance(scenery.system.store, UnsafePower)
    scenery.system.store.power_cut()
    scenery.system.start(part)


def stop(scenery: Scenery, part: str) -> None:
    """SIGTERM, as in a deployment, and a start."""
    scenery.system.stop(part)
    scenery.system.start(part)


def freeze(scenery: Scenery, part: str) -> None:
    """SIGSTOP."""
    scenery.system.pause(part)


def thaw(scenery: Scenery, part: str) -> None:
    """SIGCONT."""
    scenery.system.resume(part)


def slow_disk(scenery: Scenery, part: str) -> None:
    """Each sync takes 50 ms longer."""
    assert isinstance(scenery.system.store, UnsafePower)
    scenery.system.store.slow_disk(50)


def quick_disk(scenery: Scenery, part: str) -> None:
    """No longer."""
    assert isinstance(scenery.system.store, UnsafePower)
    scenery.system.store.slow_disk(0)


def refuse(scenery: Scenery, part: str) -> None:
    """An endpoint answers 503 to everything."""
    scenery.sink.configure(part, status=503)


def accept(scenery: Scenery, part: str) -> None:
    """It answers 200 again."""
    scenery.sink.configure(part, status=200)


def pause(scenery: Scenery, part: str) -> None:
    """An endpoint is paused by its owner."""
    _ask(scenery, part, "pause")


def resume(scenery: Scenery, part: str) -> None:
    """It is resumed."""
    _ask(scenery, part, "resume")


def rotate(scenery: Scenery, part: str) -> None:
    """An endpoint gets a new secret; the last one signs for some seconds more."""
    known = [generate_secret(), *scenery.secrets[part]][:KNOWN_SECRETS]
    scenery.secrets[part] = known
    scenery.sink.configure(part, secrets=known)
    _ask(scenery, part, "secret/rotate", {"secret": known[0], "overlap_seconds": OVERLAP_SECONDS})


def _ask(scenery: Scenery, part: str, action: str, body: dict[str, Any] | None = None) -> None:
    def done() -> bool:
        with contextlib.suppress(httpx.TransportError):  # the gateway was killed with our connection
            return scenery.system.api.post(f"/v1/endpoints/{scenery.endpoint_ids[part]}/{action}", body).is_success
        return False

    wait_until(done, 30, f"{action} {part}")


FAULTS: dict[str, Callable[[Scenery, str], None]] = {
    function.__name__: function
    for function in (kill, power_cut, stop, freeze, thaw, slow_disk, quick_disk, refuse, accept, pause, resume, rotate)
}
ENDS = frozenset({"thaw", "quick_disk", "accept", "resume"})
"""What only ends a fault."""

SHORT_SECONDS = 15.0
SHORT = (
    Step(0.5, "freeze", "dispatcher-1"),
    Step(1.0, "kill", "gateway"),
    Step(2.0, "kill", "dispatcher-0"),
    Step(3.0, "kill", "store"),
    Step(4.0, "pause", "archive"),
    Step(5.0, "power_cut", "store"),
    Step(7.0, "rotate", "payments"),
    Step(8.0, "kill", "gateway"),
    Step(9.0, "resume", "archive"),
    Step(11.0, "power_cut", "store"),
    Step(0.5 + PAUSE_SECONDS, "thaw", "dispatcher-1"),
    Step(13.5, "kill", "dispatcher-1"),
)
"""Everything once, in so many seconds."""


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """A fault of the long form: how often it is drawn, what ends it and after how long."""

    fault: str
    parts: tuple[str, ...]
    weight: float
    end: str = ""
    seconds: float = 0.0


def kinds(dispatchers: int) -> tuple[Kind, ...]:
    """Everything that a long campaign draws from."""
    all_dispatchers = tuple(f"dispatcher-{number}" for number in range(dispatchers))
    return (
        Kind("kill", ("gateway",), 2),
        Kind("kill", ("store",), 2),
        Kind("power_cut", ("store",), 2),
        Kind("kill", all_dispatchers, 2),
        Kind("stop", (*all_dispatchers, "gateway"), 2),
        Kind("freeze", all_dispatchers, 1, "thaw", PAUSE_SECONDS),
        Kind("freeze", ("store",), 1, "thaw", 3.0),
        Kind("slow_disk", ("store",), 1, "quick_disk", 5.0),
        Kind("refuse", ("payments", "shipping"), 1, "accept", 4.0),
        Kind("pause", ("archive",), 1, "resume", 5.0),
        Kind("rotate", ("payments", "shipping", "archive"), 1),
    )


def drawn(seconds: float, seed: int, dispatchers: int, every: float = 5.0) -> Iterator[Step]:
    """A timeline of any length from a seed: a fault every few seconds, at most one of those that last at a time."""
    source = random.Random(seed)
    choices = kinds(dispatchers)
    at, lasts_until, frozen = every, 0.0, ""
    while at < seconds - 2 * every:
        kind = source.choices(choices, [choice.weight for choice in choices])[0]
        part = source.choice(kind.parts)
        if at > lasts_until or (not kind.end and part != frozen and frozen != "store"):
            yield Step(at, kind.fault, part)
            if kind.end:
                lasts_until, frozen = at + kind.seconds, part
                yield Step(lasts_until, kind.end, part)
        at += source.uniform(0.5, 1.5) * every
