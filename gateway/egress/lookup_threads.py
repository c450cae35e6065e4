"""Daemon threads that run blocking name lookups, with room kept for names that are known to be quick.

`getaddrinfo` cannot be cancelled and may block for tens of seconds. The threads are daemons, so that none
of them delays the end of the process (those of `concurrent.futures` are joined at exit).
"""

import queue
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
    """Runs jobs on at most `size` threads; jobs of names not known as quick occupy at most half of them.

    All methods belong to one thread, the event loop's: a job's end must be reported there by `finished`.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._half = max(1, size // 2)
        self._waiting: dict[Standing, deque[Job]] = {standing: deque() for standing in Standing}
        self._running = 0
        self._running_unproven = 0
        self._threads = 0
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def submit(self, job: Job, standing: Standing) -> None:
        """Run `job` now or when a thread is free; the caller tells its end with `finished(standing)`."""
        self._waiting[standing].append(job)
        self._start_waiting()

    def finished(self, standing: Standing) -> None:
        """One job given with this standing has ended."""
        self._running -= 1
        self._running_unproven -= standing is not Standing.QUICK
        self._start_waiting()

    def close(self) -> None:
        """Let the threads end as soon as they are free; waiting jobs are dropped."""
        for jobs in self._waiting.values():
            jobs.clear()
        for _ in range(self._threads):
            self._jobs.put(None)
        self._threads = 0

    def _start_waiting(self) -> None:
        while self._running < self._size:
            standing = self._next_standing()
            if standing is None:
                return
            self._running += 1
            self._running_unproven += standing is not Standing.QUICK
            if self._running > self._threads:
                self._add_thread()
            self._jobs.put(self._waiting[standing].popleft())

    def _next_standing(self) -> Standing | None:
        if self._waiting[Standing.QUICK]:
            return Standing.QUICK
        if self._running_unproven >= self._half:
            return None
        return next((standing for standing in Standing if self._waiting[standing]), None)

    def _add_thread(self) -> None:
        self._threads += 1
        threading.Thread(target=_run, args=(self._jobs,), name="hookline-lookup", daemon=True).start()


def _run(jobs: "queue.SimpleQueue[Job | None]") -> None:
    while (job := jobs.get()) is not None:
        job()
