"""Ending background tasks for certain, waiting for an event for a while, many at once, letting others have a turn."""

import asyncio
import types
from collections.abc import Awaitable, Generator, Iterable
from typing import Any, TypeVar

PATIENCE_SECONDS = 0.5
T = TypeVar("T")


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks until they have ended; their errors are theirs.

    Once is not enough: a library that waits with a timeout of its own can take a cancellation for its timeout, and
    redis-py, which then tries again, does.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=PATIENCE_SECONDS)


async def all_of(works: Iterable[Awaitable[T]]) -> list[T]:
    """Do several things at the same time, all of them to their end; raises the first of their errors then."""
    results = await asyncio.gather(*works, return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event for so long; whether it is set."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


@types.coroutine
def let_others() -> Generator[None, None, None]:
    """Go on after everything else that is ready has had its turn of the event loop."""
    yield
