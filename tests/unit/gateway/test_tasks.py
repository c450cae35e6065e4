"""A task ends even if it swallows its first cancellation."""

import asyncio
import contextlib

from gateway import tasks


async def test_a_swallowed_cancellation_is_repeated() -> None:
    swallowed = 0
    started = asyncio.Event()

    async def stubborn() -> None:
        nonlocal swallowed
        started.set()
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            swallowed += 1
        await asyncio.Event().wait()

    task = asyncio.create_task(stubborn())
    other = asyncio.create_task(asyncio.Event().wait())
    await started.wait()
    await tasks.end(task, other)
    assert task.cancelled()
    assert other.cancelled()
    assert swallowed == 2


async def test_waiting_ends_with_the_event_or_with_the_time() -> None:
    event = asyncio.Event()
    assert not await tasks.wait(event, 0.001)
    event.set()
    assert await tasks.wait(event, 10)


async def test_a_task_that_failed_has_ended() -> None:
    async def failing() -> None:
        raise ValueError

    task = asyncio.create_task(failing())
    await asyncio.wait({task})
    await tasks.end(task)
    assert isinstance(task.exception(), ValueError)


async def test_others_have_their_turn() -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("other")

    task = asyncio.create_task(other())
    await tasks.let_others()
    order.append("this")
    await task
    assert order == ["other", "this"]
