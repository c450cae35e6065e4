"""The receiver and its inbox: repeats, take-over, failure, and a store that goes away."""

import asyncio
import logging

import pytest

from receivers.errors import InboxError
from receivers.event import Event
from receivers.inbox.base import Claim
from receivers.inbox.memory import MemoryInbox
from receivers.result import Outcome
from tests.support.machine import Machine
from tests.support.webhooks import TIMESTAMP


async def test_the_same_message_a_hundred_times_at_once_runs_the_handler_once() -> None:
    machine = Machine()
    begun, finish = asyncio.Event(), asyncio.Event()
    runs = 0

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        nonlocal runs
        runs += 1
        begun.set()
        await finish.wait()

    sending = asyncio.gather(*(machine.send() for _ in range(100)))
    await begun.wait()
    finish.set()
    outcomes = [result.outcome for result in await sending]
    assert runs == 1
    assert outcomes.count(Outcome.HANDLED) == 1
    assert set(outcomes) <= {Outcome.HANDLED, Outcome.IN_PROGRESS, Outcome.DUPLICATE}
    assert (await machine.send()).outcome is Outcome.DUPLICATE


async def test_while_it_is_handled_a_repeat_is_asked_to_come_again() -> None:
    machine = Machine()
    begun, finish = asyncio.Event(), asyncio.Event()

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        begun.set()
        await finish.wait()

    first = asyncio.create_task(machine.send())
    await begun.wait()
    repeat = await machine.send()
    assert (repeat.outcome, repeat.status) == (Outcome.IN_PROGRESS, 409)
    finish.set()
    assert (await first).outcome is Outcome.HANDLED


async def test_a_failed_handler_frees_the_id(caplog: pytest.LogCaptureFixture) -> None:
    machine = Machine()
    failures = [RuntimeError("the database is away")]

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        if failures:
            raise failures.pop()

    with caplog.at_level(logging.ERROR, "receivers"):
        first = await machine.send()
    assert (first.outcome, first.status) == (Outcome.FAILED, 500)
    assert b"database" not in first.body()
    assert "the database is away" in caplog.text
    assert (await machine.send()).outcome is Outcome.HANDLED


async def test_a_killed_handler_is_taken_over_after_the_lease() -> None:
    machine = Machine()
    begun, never = asyncio.Event(), asyncio.Event()
    runs = 0

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        nonlocal runs
        runs += 1
        begun.set()
        if runs == 1:
            await never.wait()

    killed = asyncio.create_task(machine.send())
    await begun.wait()
    killed.cancel()
    with pytest.raises(asyncio.CancelledError):
        await killed
    assert (await machine.send()).outcome is Outcome.IN_PROGRESS
    machine.seconds += 60
    assert (await machine.send()).outcome is Outcome.HANDLED
    assert runs == 2


async def test_a_handler_that_outlives_its_lease_and_is_taken_over_is_not_acknowledged() -> None:
    machine = Machine()
    begun, finish = asyncio.Event(), asyncio.Event()
    runs = 0

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            begun.set()
            await finish.wait()

    slow = asyncio.create_task(machine.send())
    await begun.wait()
    machine.seconds += 60
    assert (await machine.send()).outcome is Outcome.HANDLED
    finish.set()
    late = await slow
    assert (late.outcome, late.status) == (Outcome.CLAIM_LOST, 409)
    assert (await machine.send()).outcome is Outcome.DUPLICATE


async def test_a_handler_that_outlives_its_lease_alone_counts() -> None:
    machine = Machine()

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        machine.seconds += 61

    assert (await machine.send()).outcome is Outcome.HANDLED
    assert (await machine.send()).outcome is Outcome.DUPLICATE


async def test_a_message_from_the_future_is_still_a_duplicate_when_replayed_at_the_end() -> None:
    machine = Machine()

    @machine.receiver.on("*")
    async def handler(event: Event) -> None: ...

    assert (await machine.send(timestamp=TIMESTAMP + 299)).outcome is Outcome.HANDLED
    machine.seconds = 599
    assert (await machine.send(timestamp=TIMESTAMP + 299)).outcome is Outcome.DUPLICATE
    machine.seconds = 600
    assert (await machine.send(timestamp=TIMESTAMP + 299)).code == "timestamp_too_old"


class Broken(MemoryInbox):
    """A store that goes away at one of the three calls."""

    def __init__(self, at: str) -> None:
        super().__init__()
        self.at = at

    def fail(self, now: str) -> None:
        if now == self.at:
            raise InboxError("inbox_unavailable", "away")

    async def claim(self, webhook_id: str) -> Claim:
        self.fail("claim")
        return await super().claim(webhook_id)

    async def commit(self, webhook_id: str, token: str) -> bool:
        self.fail("commit")
        return await super().commit(webhook_id, token)

    async def release(self, webhook_id: str, token: str) -> bool:
        self.fail("release")
        return await super().release(webhook_id, token)


@pytest.mark.parametrize(("at", "runs"), [("claim", 0), ("commit", 1), ("release", 1)])
async def test_without_an_inbox_nothing_is_acknowledged(at: str, runs: int) -> None:
    machine = Machine(inbox=Broken(at))
    ran = 0

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        nonlocal ran
        ran += 1
        if at == "release":
            raise RuntimeError

    result = await machine.send()
    assert (result.outcome, result.status, result.code) == (Outcome.UNAVAILABLE, 503, "inbox_unavailable")
    assert ran == runs
