"""Name resolution for the event loop: single flight, a short cache, slow names kept apart from quick ones."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.egress.errors import NameNotResolved
from gateway.egress.lookup_threads import LookupThreads, Standing

Lookup = Callable[[str], Sequence[str]]
"""Blocking: a name to its addresses as text, in order of preference; raises OSError if there are none."""


def system_lookup(name: str) -> list[str]:
    """The machine's resolver (hosts file, DNS), ordered by RFC 6724."""
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


@dataclass(frozen=True, slots=True)
class ResolverLimits:
    """Sizes and seconds of the resolver.

    A lookup that took `quick_seconds` or longer makes its name slow until a later one is quicker. A failure is
    remembered for `negative_seconds`, or as long as it took to come, but for `positive_seconds` at most: a name whose
    servers are dead occupies a thread for half of the time.
    """

    threads: int = 512
    positive_seconds: float = 30.0
    negative_seconds: float = 2.0
    quick_seconds: float = 0.5
    names: int = 10_000


@dataclass(frozen=True, slots=True)
class _Answer:
    """The last lookup of a name; kept past `expires` for its standing."""

    addresses: tuple[str, ...]
    failure: str
    standing: Standing
    expires: float


class Resolver:
    """`resolve` from one event loop; `lookup` runs on threads of its own."""

    def __init__(self, clock: Clock, lookup: Lookup = system_lookup, limits: ResolverLimits | None = None) -> None:
        self._clock = clock
        self._lookup = lookup
        self._limits = limits or ResolverLimits()
        self._threads = LookupThreads(self._limits.threads)
        self._answers: dict[str, _Answer] = {}
        self._flights: dict[str, asyncio.Future[_Answer]] = {}

    async def resolve(self, name: str) -> list[str]:
        """The addresses of `name`, unvetted; raises NameNotResolved. Has no time limit, the caller has one.

        A caller that is cancelled leaves the lookup running for the others that wait for it.
        """
        answer = self._answers.get(name)
        if answer is None or answer.expires <= self._clock.monotonic():
            flight = self._flights.get(name) or self._start(name, answer)
            answer = await asyncio.shield(flight)
        if not answer.addresses:
            raise NameNotResolved(name, answer.failure)
        return list(answer.addresses)

    def close(self) -> None:
        """Cancel who waits and let the threads end."""
        self._threads.close()
        for flight in self._flights.values():
            flight.cancel()
        self._flights.clear()

    def _start(self, name: str, last: _Answer | None) -> "asyncio.Future[_Answer]":
        loop = asyncio.get_running_loop()
        flight: asyncio.Future[_Answer] = loop.create_future()
        standing = last.standing if last else Standing.UNKNOWN
        self._flights[name] = flight

        def job() -> None:
            answer = self._look_up(name)
            # A closed loop raises RuntimeError; nobody waits there any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._landed, name, flight, standing, answer)

        self._threads.submit(job, standing)
        return flight

    def _look_up(self, name: str) -> _Answer:
        started = self._clock.monotonic()
        failure = "no address"
        addresses: tuple[str, ...] = ()
        try:
            addresses = tuple(self._lookup(name))
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            failure = str(error)
        now = self._clock.monotonic()
        negative = min(max(self._limits.negative_seconds, now - started), self._limits.positive_seconds)
        return _Answer(
            addresses=addresses,
            failure=failure,
            standing=Standing.QUICK if now - started < self._limits.quick_seconds else Standing.SLOW,
            expires=now + (self._limits.positive_seconds if addresses else negative),
        )

    def _landed(self, name: str, flight: "asyncio.Future[_Answer]", standing: Standing, answer: _Answer) -> None:
        self._threads.finished(standing)
        self._remember(name, answer)
        if self._flights.get(name) is flight:
            del self._flights[name]
        if not flight.done():
            flight.set_result(answer)

    def _remember(self, name: str, answer: _Answer) -> None:
        self._answers.pop(name, None)
        if len(self._answers) >= self._limits.names:
            del self._answers[next(iter(self._answers))]
        self._answers[name] = answer
