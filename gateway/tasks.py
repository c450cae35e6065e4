"""Ending background tasks for certain, waiting for an event for a while, letting others have their turn."""

import asyncio
import types
from collections.abc import Generator
from typing import Any

PATIENCE_SECONDS = 0.5


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
