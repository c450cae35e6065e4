"""The flow of a receiver: verify, read, find handlers, run them; and what it refuses."""

import functools
import threading

import pytest

from receivers.errors import InboxError, PatternError, SecretError
from receivers.event import Event
from receivers.inbox.memory import MemoryInbox
from receivers.receiver import Receiver
from receivers.result import Outcome
from tests.support.machine import Machine
from tests.support.webhooks import SECRET, event_body, signed_headers

BODY = event_body()


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
