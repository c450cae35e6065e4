"""A breaker per endpoint: after many failures in a row live deliveries are held, and one probe at a time tries again.

    closed --FAILURES in a row, seen by one dispatcher--> open --its time has come--> half open: one owner probes
       ^                                                   ^                            |          |
       |                                                   +--failed: wait longer-------+          |
       +----------------------------------- a success, the probe's or any other ------------------+

The state is in the registry's slot and changes by compare-and-set, so that all dispatchers hold together and only one
probes. Here each keeps a copy, follows the change stream, and counts failures of its own. A probe is a delivery that
was held: its attempt counts like any other. A prober that dies is replaced when its probe must have ended.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterable

from redis.asyncio import Redis

from dispatcher.store_time import StoreTime
from gateway.clock import Random
from gateway.store import breakers
from gateway.store.breakers import Breaker

FAILURES = 20
FIRST_MS = 1_000
LONGEST_MS = 30_000
JITTER = 0.2
PROBE_MARGIN_MS = 2_000
TURN_SECONDS = 0.05


def opened(now_ms: int, random: Random) -> Breaker:
    """The breaker that opens now."""
    return Breaker(now_ms, now_ms + wait_ms(0, random))


def reopened(breaker: Breaker, now_ms: int, random: Random) -> Breaker:
    """The breaker whose probe failed."""
    trips = breaker.trips + 1
    return Breaker(breaker.opened_ms, now_ms + wait_ms(trips, random), trips)


def wait_ms(trips: int, random: Random) -> int:
    """How long to wait for the next probe: twice as long each time, up to half a minute, +-20 %."""
    longest = min(FIRST_MS << min(trips, 16), LONGEST_MS)
    return round(longest * random.uniform(1 - JITTER, 1 + JITTER))


class Breakers:
    """The breakers of all endpoints, as this dispatcher knows them.

    `on_change` is called with the number of an endpoint whose breaker opened or closed; `grants` are the endpoints that
    this dispatcher may probe now, until a delivery was found for it.
    """

    def __init__(self, redis: Redis, time: StoreTime, random: Random) -> None:
        self._redis, self._time, self._random = redis, time, random
        self._holder = secrets.token_bytes(8)
        self._open: dict[int, Breaker] = {}
        self._failures: Counter[int] = Counter()
        self._wanted: dict[int, bool] = {}
        self._doubtful: set[str] = set()
        self.grants: set[int] = set()
        self.on_change: Callable[[int], None] = lambda _number: None

    def is_open(self, number: int) -> bool:
        """Whether live deliveries of an endpoint are held, a probe excepted."""
        return number in self._open

    def note(self, number: int, *, success: bool) -> None:
        """Take the outcome of an attempt."""
        if success:
            if self._failures:
                self._failures.pop(number, None)
            if number in self._open:
                self._wanted[number] = False
            return
        self._failures[number] += 1
        breaker = self._open.get(number)
        if breaker is None:
            if self._failures[number] >= FAILURES:
                self._wanted[number] = True
        elif breaker.holder == self._holder:
            self._wanted.setdefault(number, True)

    def doubt(self, number: int) -> None:
        """Something else changed about an endpoint, with which its breaker may have been closed."""
        if number in self._open:
            self._doubtful.add(str(number))

    async def reload(self, numbers: Iterable[str] | None) -> None:
        """Read breakers that changed, or all."""
        wanted = None if numbers is None else [int(number) for number in numbers]
        found = await breakers.read(self._redis, wanted)
        for number in list(self._open) if wanted is None else wanted:
            if number not in found:
                self._set(number, None)
        for number, breaker in found.items():
            self._set(number, breaker)

    def _set(self, number: int, breaker: Breaker | None) -> None:
        was_open = number in self._open
        if breaker is None:
            self._open.pop(number, None)
            self._failures.pop(number, None)
            self.grants.discard(number)
        else:
            self._open[number] = breaker
            if breaker.holder != self._holder:
                self.grants.discard(number)
        if was_open != (breaker is not None):
            self.on_change(number)

    async def run_once(self, waiting: Callable[[int], int]) -> int:
        """Open, close and probe what has to be; how many breakers changed. Raises redis errors.

        `waiting` says for how many milliseconds a probe of an endpoint may take, 0 when nothing of ours waits for it.
        """
        changed = 0
        if self._doubtful:
            doubtful, self._doubtful = self._doubtful, set()
            await self.reload(doubtful)
        for number, wanted in list(self._wanted.items()):
            breaker, now_ms = self._open.get(number), self._time.now_ms()
            after = None
            if wanted:
                after = reopened(breaker, now_ms, self._random) if breaker else opened(now_ms, self._random)
            changed += await self._swap(number, breaker, after)
            if self._wanted.get(number) is wanted:
                del self._wanted[number]
        for number, breaker in list(self._open.items()):
            now_ms = self._time.now_ms()
            takes_ms = waiting(number) if now_ms >= breaker.next_ms else 0
            if takes_ms and number not in self._wanted:
                mine = breaker._replace(holder=self._holder, next_ms=now_ms + takes_ms + PROBE_MARGIN_MS)
                if await self._swap(number, breaker, mine):
                    self.grants.add(number)
                    changed += 1
        return changed

    async def _swap(self, number: int, before: Breaker | None, after: Breaker | None) -> bool:
        done = await breakers.swap(self._redis, number, before, after)
        if done:
            self._set(number, after)
        else:
            await self.reload([str(number)])
        return done
