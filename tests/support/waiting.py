"""Waiting on conditions: a test names what it waits for and for how long at most; it never sleeps for a time."""

import asyncio
import contextlib
import inspect
import threading
import time
from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.01


class NeverHappened(AssertionError):
    """The condition did not become true in time; the text says which."""


def wait_until(condition: Callable[[], object], seconds: float, what: str = "the condition") -> None:
    """Return as soon as `condition()` is true; raises NeverHappened after `seconds`."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {seconds} s")
        pause.wait(_POLL_SECONDS)


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float, what: str = "it") -> None:
    """The same inside a loop; the condition may be a coroutine function."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if inspect.isawaitable(answer):
            answer = await answer
        if answer:
            return
        if time.monotonic() > deadline:
            raise NeverHappened(f"{what}: not within {seconds} s")
        await pause(_POLL_SECONDS)


async def pause(seconds: float) -> None:
    """For load generators and proxies, whose work is to let time pass."""
    never = asyncio.Event()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(never.wait(), seconds)
