"""What an attempt means: every row of the table."""

import pytest

from dispatcher import outcome
from dispatcher.outcome import Moment, Policy, judge
from dispatcher.sender import Answered, Failed, Result
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.store.work import Kind

NOW = Moment(1_000_000, 2_000_000)
SCHEDULE = Policy((10, 20))
SCHEDULED = Record(State.SCHEDULED, attempts=1, failures=1, due_ms=900_000)
BEFORE = {
    State.SCHEDULED: SCHEDULED,
    State.HELD: Record(State.HELD, Reason.PAUSED, attempts=1),
    State.DELIVERED: Record(State.DELIVERED, attempts=1, status=200),
    State.DEAD: Record(State.DEAD, Reason.EXHAUSTED, attempts=3, failures=3),
    State.SKIPPED: Record(State.SKIPPED, Reason.ENDPOINT_DISABLED, attempts=0),
}


class Middle:
    """Jitter of nothing."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


def answer(status: int, *headers: tuple[bytes, bytes]) -> Answered:
    return Answered(status, list(headers), b"", False, "203.0.113.1", 1.0)


def decide(
    result: Result, before: Record | None = None, kind: Kind | None = None, policy: Policy = SCHEDULE
) -> outcome.Verdict:
    return judge(before, result, kind, 7 if kind in (Kind.FILL, Kind.AGAIN) else 0, policy, NOW, Middle())


@pytest.mark.parametrize("status", [200, 201, 204, 299])
@pytest.mark.parametrize("before", [None, *BEFORE.values()])
@pytest.mark.parametrize("kind", [None, *Kind])
def test_2xx_is_delivered_whatever_it_was(status: int, before: Record | None, kind: Kind | None) -> None:
    verdict = decide(answer(status), before, kind)
    assert (verdict.after.state, verdict.after.reason, verdict.after.due_ms) == (State.DELIVERED, Reason.NONE, 0)
    assert (verdict.success, verdict.gone, verdict.after.status) == (True, False, status)
    assert verdict.after.attempts == (before.attempts if before else 0) + 1


@pytest.mark.parametrize(
    "result",
    [answer(301), answer(400), answer(404), answer(429), answer(500), answer(599), Failed("reset", "", "", 1.0),
     Failed("deadline", "", "", 1.0)],
)  # fmt: skip
def test_anything_else_is_tried_again_by_the_schedule(result: Result) -> None:
    first = decide(result).after
    assert (first.state, first.due_ms, first.failures, first.attempts) == (State.SCHEDULED, 1_010_000, 1, 1)
    second = decide(result, first).after
    assert (second.state, second.due_ms, second.failures) == (State.SCHEDULED, 1_020_000, 2)
    third = decide(result, second).after
    assert (third.state, third.reason, third.due_ms, third.attempts) == (State.DEAD, Reason.EXHAUSTED, 0, 3)


@pytest.mark.parametrize("code", [error for error in AttemptError if error not in (0, AttemptError.HTTP_STATUS)])
def test_errors_below_http_keep_their_name(code: AttemptError) -> None:
    failed = Failed(code.name.lower(), "", "", 1.0)  # type: ignore[arg-type]  # the closed set has the same names
    assert decide(failed).after.error is code
    assert decide(answer(500)).after.error is AttemptError.HTTP_STATUS


@pytest.mark.parametrize(
    ("result", "gone"),
    [
        (answer(410), True),
        (answer(400, (b"Webhook-Delivery", b" Disable ")), True),
        (answer(404, (b"webhook-delivery", b"disable")), True),
        (answer(500, (b"webhook-delivery", b"disable")), False),
        (answer(302, (b"webhook-delivery", b"disable")), False),
        (answer(400, (b"webhook-delivery", b"enable")), False),
    ],
)
def test_a_receiver_may_ask_to_be_disabled(result: Result, gone: bool) -> None:
    verdict = decide(result)
    assert verdict.gone is gone
    assert (verdict.after.state is State.DEAD) is gone
    assert (verdict.after.reason is Reason.GONE) is gone


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_floor(status: int) -> None:
    assert decide(answer(status, (b"retry-after", b"60"))).after.due_ms == 1_060_000
    assert decide(answer(status, (b"retry-after", b"1"))).after.due_ms == 1_010_000
    assert decide(answer(status, (b"retry-after", b"999999999"))).after.due_ms == 1_000_000 + 86_400_000
    assert decide(answer(500, (b"retry-after", b"60"))).after.due_ms == 1_010_000


@pytest.mark.parametrize("before", BEFORE.values(), ids=lambda record: record.state.name)
def test_a_failed_manual_attempt_changes_nothing_but_the_count(before: Record) -> None:
    after = decide(answer(500), before, Kind.MANUAL).after
    assert (after.state, after.reason, after.due_ms, after.failures) == (
        before.state, before.reason, before.due_ms, before.failures,
    )  # fmt: skip
    assert (after.attempts, after.status) == (before.attempts + 1, 500)


@pytest.mark.parametrize("before", BEFORE.values(), ids=lambda record: record.state.name)
@pytest.mark.parametrize("kind", [Kind.MANUAL_RETRY, Kind.FILL, Kind.AGAIN])
def test_a_new_schedule_begins_at_its_first_wait(before: Record, kind: Kind) -> None:
    after = decide(answer(500), before, kind).after
    assert (after.state, after.failures, after.due_ms) == (State.SCHEDULED, 1, 1_010_000)
    assert after.run == (0 if kind is Kind.MANUAL_RETRY else 7)


def test_the_replay_that_opened_a_delivery_is_remembered_by_later_attempts() -> None:
    opened = decide(answer(500), None, Kind.FILL).after
    assert decide(answer(200), opened).after.run == 7


@pytest.mark.parametrize("off", [Reason.ENDPOINT_DISABLED, Reason.ENDPOINT_DELETED])
def test_nothing_more_is_tried_at_an_endpoint_that_is_off(off: Reason) -> None:
    after = decide(answer(500), SCHEDULED, None, Policy((10, 20), off)).after
    assert (after.state, after.reason, after.due_ms) == (State.SKIPPED, off, 0)
    assert decide(answer(200), SCHEDULED, None, Policy((10, 20), off)).after.state is State.DELIVERED


def test_waiting_keeps_the_history() -> None:
    waiting = outcome.waiting(SCHEDULED, 5)
    assert (waiting.state, waiting.due_ms, waiting.attempts, waiting.failures) == (State.PENDING, 0, 1, 1)


def test_what_cannot_be_attempted_ends_unless_it_has_ended() -> None:
    new = outcome.declined(None, Reason.POISON, 5)
    assert (new.state, new.reason, new.attempts) == (State.DEAD, Reason.POISON, 0)
    skipped = outcome.declined(SCHEDULED, Reason.EXPIRED, 5, run=3)
    assert (skipped.state, skipped.reason, skipped.due_ms, skipped.run) == (State.SKIPPED, Reason.EXPIRED, 0, 3)
    delivered = BEFORE[State.DELIVERED]
    again = outcome.declined(delivered, Reason.EXPIRED, 0)
    assert (again.state, again.attempts, again.changed_ms) == (State.DELIVERED, 1, delivered.changed_ms + 1)


def test_what_runs_at_a_hand_over_waits_for_its_end() -> None:
    running = outcome.handed_over(None, None, 0, 5, 16_000)
    assert (running.state, running.due_ms, running.attempts) == (State.PENDING, 16_000, 0)
    by_hand = outcome.handed_over(BEFORE[State.DELIVERED], Kind.MANUAL, 0, 5, 16_000)
    assert (by_hand.state, by_hand.due_ms) == (State.DELIVERED, 0)
    assert outcome.handed_over(SCHEDULED, Kind.MANUAL, 0, 5, 1_600_000).due_ms == 1_600_000
