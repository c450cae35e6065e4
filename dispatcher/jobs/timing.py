"""How long things take in operator jobs, in seconds; tests make them short."""

from typing import NamedTuple

from gateway.store import jobs


class Timing(NamedTuple):
    """`slice` is the longest slice, `fair` the shortest one when other jobs wait; `beat` the time between two saves;
    `stale` how long a beat may stand still, `watch` how often that is looked at, `retry` the wait after an error of
    the store, `stop` how long a process may take to end after SIGTERM.
    """

    slice: float = jobs.SLICE_SECONDS
    fair: float = 2.0
    beat: float = 1.0
    stale: float = 20.0
    watch: float = 5.0
    retry: float = 0.5
    stop: float = 1.5
    shortest_wait: float = 0.02
    longest_wait: float = 0.2


NORMAL = Timing()
