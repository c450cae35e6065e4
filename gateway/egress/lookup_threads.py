"""Threads that run blocking name lookups: one for each, so that a lookup that hangs is in nobody's way.

`getaddrinfo` is the machine's own resolver, with its hosts file, search domains and name service switch, which names of
internal subscribers may depend on; it cannot be cancelled and may block for tens of seconds. A blocked thread costs
26 KB (measured; a start 0.14 ms, at most once per name and cache time), so there may be many: only their number is
bounded, with room kept for names that are known to be quick, and some for those that nothing is known of. (c-ares holds
thousands of pending names in less memory, but knows no name service switch.)

The threads are daemons, so that none of them delays the end of the process (those of `concurrent.futures` are joined at
exit).
"""

import threading
from collections import deque
from collections.abc import Callable
from enum import IntEnum

Job = Callable[[], None]


class Standing(IntEnum):
    """What is known of a name, in the order in which waiting lookups are started."""

    QUICK = 0
    UNKNOWN = 1
    SLOW = 2


class LookupThreads:
    """Runs jobs on at most `size` threads: slow names have at most half of them, with the unknown ones three quarters.

    All methods belong to one thread, the event loop's: a job's end must be reported there by `finished`.
    """

    def __init__(self, size: int) -> None:
        self._limits = {
            Standing.QUICK: size,
            Standing.UNKNOWN: max(1, size * 3 // 4),
            Standing.SLOW: max(1, size // 2),
        }
        self._waiting: dict[Standing, deque[Job]] = {standing: deque() for standing in Standing}
        self._running: dict[Standing, int] = dict.fromkeys(Standing, 0)

    def submit(self, job: Job, standing: Standing) -> None:
        """Run `job` now or when there may be another thread; the caller tells its end with `finished(standing)`."""
        self._waiting[standing].append(job)
        self._start_waiting()

    def finished(self, standing: Standing) -> None:
        """One job given with this standing has ended."""
        self._running[standing] -= 1
        self._start_waiting()

    def close(self) -> None:
        """Drop what waits; a thread ends with its job."""
        for jobs in self._waiting.values():
            jobs.clear()

    def _start_waiting(self) -> None:
        for standing, jobs in self._waiting.items():
            while jobs and self._may_run(standing):
                self._running[standing] += 1
                threading.Thread(target=jobs.popleft(), name="hookline-lookup", daemon=True).start()

    def _may_run(self, standing: Standing) -> bool:
        """Whether one more is within the limit of its standing and of those above, which each include all below."""
        return all(
            sum(count for other, count in self._running.items() if other >= limited) < self._limits[limited]
            for limited in Standing
            if limited <= standing
        )
