"""The flow of a receiver: verify, claim, handle, commit; and every way it ends."""

import asyncio
import functools
import logging
import threading
from typing import Any

import pytest

from receivers.errors import InboxError, PatternError, SecretError
from receivers.event import Event
from receivers.inbox.base import Claim
from receivers.inbox.memory import MemoryInbox
from receivers.receiver import Receiver
from receivers.result import Outcome, Result
from tests.support.webhooks import SECRET, TIMESTAMP, event_body, signed_headers

BODY = event_body()


class Machine:
    """A receiver, its inbox and the clocks of both."""

    def __init__(self, **settings: Any) -> None:
        self.seconds = 0.0
        self.seen: list[Result] = []
        self.inbox = MemoryInbox(now=lambda: self.seconds)
        self.receiver = Receiver(
            SECRET,
            **{"inbox": self.inbox, "observe": self.seen.append, "now": lambda: TIMESTAMP + self.seconds, **settings},
        )

    async def send(self, body: bytes = BODY, *, webhook_id: str = "evt_1", timestamp: int = TIMESTAMP) -> Result:
        return await self.receiver.handle(body, signed_headers(body, webhook_id=webhook_id, timestamp=timestamp))


async def test_an_event_is_handled_once_and_a_repeat_is_acknowledged() -> None:
    machine = Machine()
    handled: list[Event] = []

    @machine.receiver.on("order.*")
    async def handler(event: Event) -> None:
        handled.append(event)

    first, second = await machine.send(), await machine.send()
    assert [first.outcome, second.outcome] == [Outcome.HANDLED, Outcome.DUPLICATE]
    assert [first.status, second.status] == [200, 200]
    assert [event.data for event in handled] == [{"amount": 5}]
    assert machine.seen == [first, second]
    assert b"duplicate" in second.body()


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


async def test_unknown_events_are_acknowledged_and_not_remembered() -> None:
    machine = Machine()

    @machine.receiver.on("order.*", "hookline.test")
    async def handler(event: Event) -> None: ...

    ignored = await machine.send(event_body("invoice.paid"))
    assert (ignored.outcome, ignored.status) == (Outcome.IGNORED, 200)
    assert len(machine.inbox) == 0
    assert (await machine.send(event_body("hookline.endpoint.disabled"))).outcome is Outcome.IGNORED
    assert (await machine.send(event_body("hookline.test"))).outcome is Outcome.HANDLED


async def test_every_matching_handler_runs_in_order_until_one_fails() -> None:
    machine = Machine()
    runs: list[str] = []
    failing = True

    @machine.receiver.on("*")
    async def first(event: Event) -> None:
        runs.append("first")

    @machine.receiver.on("order.*")
    def second(event: Event) -> None:
        runs.append("second")
        if failing:
            raise RuntimeError

    @machine.receiver.on("order.placed")
    async def third(event: Event) -> None:
        runs.append("third")

    assert (await machine.send()).outcome is Outcome.FAILED
    assert runs == ["first", "second"]
    failing = False
    assert (await machine.send()).outcome is Outcome.HANDLED
    assert runs == ["first", "second", "first", "second", "third"]


async def test_handlers_may_be_plain_functions_and_callables() -> None:
    machine = Machine()
    threads: list[str] = []

    @machine.receiver.on("*")
    def plain(event: Event) -> None:
        threads.append(threading.current_thread().name)

    class Callable:
        async def __call__(self, event: Event) -> None:
            threads.append(threading.current_thread().name)

    async def partial(word: str, event: Event) -> None:
        threads.append(word)

    machine.receiver.on("*")(Callable())
    machine.receiver.on("*")(functools.partial(partial, "partial"))
    assert (await machine.send()).outcome is Outcome.HANDLED
    main = threading.current_thread().name
    assert threads[0] != main
    assert threads[1:] == [main, "partial"]


def test_registering_returns_the_function() -> None:
    receiver = Receiver(SECRET)

    def handler(event: Event) -> None: ...

    assert receiver.on("*")(handler) is handler


async def test_what_is_not_proven_reaches_no_handler_and_no_inbox() -> None:
    machine = Machine()

    @machine.receiver.on("*")
    async def handler(event: Event) -> None:
        raise AssertionError

    forged = await machine.receiver.handle(BODY + b" ", signed_headers(BODY))
    assert (forged.outcome, forged.status, forged.code) == (Outcome.REFUSED, 401, "signature_mismatch")
    for body in (b"[]", b"\xff", b"not json"):
        shapeless = await machine.send(body)
        assert (shapeless.outcome, shapeless.status, shapeless.code) == (Outcome.REFUSED, 400, "payload_invalid")
    unread = await machine.receiver.handle(BODY, 5)  # type: ignore[arg-type]  # what callers without types do
    assert (unread.status, unread.code) == (401, "header_invalid")
    assert len(machine.inbox) == 0
    assert len(machine.seen) == 5


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


def test_wrong_settings_are_refused_at_the_start() -> None:
    with pytest.raises(SecretError):
        Receiver("whsec_short")
    with pytest.raises(InboxError, match="retry schedule"):
        Receiver(SECRET, inbox=MemoryInbox(ttl_seconds=3600))
    with pytest.raises(InboxError, match="twice the tolerance"):
        Receiver(SECRET, inbox=MemoryInbox(ttl_seconds=3600), tolerance_seconds=1801, retry_schedule_seconds=0)
    Receiver(SECRET, inbox=MemoryInbox(ttl_seconds=3600), retry_schedule_seconds=3600)
    with pytest.raises(PatternError):
        Receiver(SECRET).on("order.*.x")
