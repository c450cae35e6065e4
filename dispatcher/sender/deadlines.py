"""One coarse timer for all deadlines: late by up to a tick, early never.

Nothing is done per request as long as the owner of a deadline is looked at soon enough: it is looked at
when its watch ends, and watched anew if its deadline has moved on meanwhile.
"""

import asyncio
from math import inf
from typing import Protocol

from gateway.clock import Clock


class Timed(Protocol):
    """Something with a deadline. `watched` belongs to `Deadlines`: when it looks next, `inf` if never."""

    deadline: float
    watched: float

    def expire(self) -> None:
        """The deadline has passed. Called at most once per deadline; must not raise."""
        ...


class Deadlines:
    """Watches many deadlines, in seconds of `clock.monotonic()`; costs nothing while there are none.

    Who lowers a deadline below `watched` calls `watch`; who raises it need not.
    """

    def __init__(self, clock: Clock, loop: asyncio.AbstractEventLoop, tick_seconds: float) -> None:
        self._clock = clock
        self._loop = loop
        self._tick_seconds = tick_seconds
        self._watches: dict[float, set[Timed]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, timed: Timed) -> None:
        """Look at `timed` in the first tick after its deadline."""
        self.forget(timed)
        when = (int(timed.deadline / self._tick_seconds) + 1) * self._tick_seconds
        timed.watched = when
        self._watches.setdefault(when, set()).add(timed)
        if self._timer is None:
            self._timer = self._loop.call_later(self._tick_seconds, self._on_timer)

    def forget(self, timed: Timed) -> None:
        """Look at `timed` no more."""
        watch = self._watches.get(timed.watched)
        if watch is not None:
            watch.discard(timed)
        timed.watched = inf

    def close(self) -> None:
        """Stop looking."""
        self._watches.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def run_once(self) -> int:
        """Expire what is due and return how many that were."""
        now = self._clock.monotonic()
        expired = 0
        for when in [when for when in self._watches if when <= now]:
            for timed in self._watches.pop(when):
                # One that expired before may have forgotten or renewed this one.
                if timed.watched != when:
                    continue
                timed.watched = inf
                if timed.deadline <= now:
                    expired += 1
                    timed.expire()
                else:
                    self.watch(timed)
        return expired

    def _on_timer(self) -> None:
        self._timer = None
        self.run_once()
        if self._watches and self._timer is None:
            self._timer = self._loop.call_later(self._tick_seconds, self._on_timer)
