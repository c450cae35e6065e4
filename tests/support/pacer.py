"""Says when the events of an open loop are due.

A kernel timer (timerfd_create(2)) of the clock whose instants ride in the payloads; the timers of an event loop round
up to whole milliseconds, which would be most of the latency that is to be measured.
"""

import asyncio
import ctypes
import os
import time
from collections.abc import Callable

_MONOTONIC = 1
_ABSOLUTE = 1
_NANOSECONDS = 1_000_000_000
_libc = ctypes.CDLL(None, use_errno=True)
_Times = ctypes.c_long * 4
"""struct itimerspec: interval and value, seconds and nanoseconds each."""


class Pacer:
    """Calls `due(instants)` when events are due: event i at `begun_ns + i / rate`, several at once when late."""

    def __init__(self, rate: float, begun_ns: int, due: Callable[[list[int]], None]) -> None:
        self._step = _NANOSECONDS / rate
        self._begun_ns = begun_ns
        self._due = due
        self._issued = 0
        self._fd = _libc.timerfd_create(_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create")

    def start(self) -> None:
        """Begin, in the running loop."""
        asyncio.get_running_loop().add_reader(self._fd, self._fired)
        self._arm()

    def stop(self) -> None:
        """No more events."""
        asyncio.get_running_loop().remove_reader(self._fd)
        os.close(self._fd)

    def instant(self, number: int) -> int:
        """When event `number` is due, CLOCK_MONOTONIC nanoseconds."""
        return self._begun_ns + round(number * self._step)

    def _arm(self) -> None:
        seconds, nanoseconds = divmod(self.instant(self._issued), _NANOSECONDS)
        if _libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(_Times(0, 0, seconds, nanoseconds)), None):
            raise OSError(ctypes.get_errno(), "timerfd_settime")

    def _fired(self) -> None:
        os.read(self._fd, 8)
        reached = max(int((time.monotonic_ns() - self._begun_ns) / self._step), self._issued) + 1
        instants = [self.instant(number) for number in range(self._issued, reached)]
        self._issued = reached
        self._arm()
        self._due(instants)
