"""What a job works with, in this process: RQ gives a function its arguments and nothing else."""

import os
import threading
from typing import NamedTuple

from dispatcher.jobs.timing import NORMAL, Timing
from gateway.clock import Clock, SystemClock
from gateway.settings import Settings, SettingsError, load
from gateway.store import jobs
from gateway.store.jobs import Jobs

_current: "Runtime | None" = None


class Runtime(NamedTuple):
    """`url` is the store's; `stopping` is set when the process shall end."""

    settings: Settings
    url: str
    jobs: Jobs
    clock: Clock
    timing: Timing
    stopping: threading.Event


def make(settings: Settings, timing: Timing) -> Runtime:
    """A runtime on the machine's clock. Raises SettingsError when the store's address is missing."""
    if settings.redis_url is None:
        raise SettingsError("HOOKLINE_REDIS_URL is not set: a worker needs the store's address; see `hookline up`")
    queue = Jobs(jobs.url(settings, settings.redis_url))
    return Runtime(settings, settings.redis_url, queue, SystemClock(), timing, threading.Event())


def use(runtime: Runtime) -> None:
    """The jobs of this process work with this from now on."""
    global _current  # noqa: PLW0603 - a job has no other way to its surroundings
    _current = runtime


def current() -> Runtime:
    """What `use` was given; else, under a worker that is not ours, one from the environment."""
    if _current is None:
        use(make(load(os.environ), NORMAL))
    assert _current is not None  # noqa: S101 - set above
    return _current
