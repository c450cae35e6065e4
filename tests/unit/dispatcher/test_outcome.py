import itertools

import pytest
from msgspec.structs import replace

from dispatcher import outcome
from dispatcher.outcome import Moment, Policy, judge
from dispatcher.sender import Answered, Failed, Result
from gateway.clock import Random
from gateway.model.delivery import OPEN_STATES, AttemptError, Reason, Record, State
from gateway.store.work import Kind

NOW = Moment(1_000_000, 1_700_000_000_000)
ON = Policy((10, 60))


class Middle:
    """No jitter."""

    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


RANDOM: Random = Middle()
SCHEDULED = Record(State.SCHEDULED, attempts=1, status=500, error=AttemptError.HTTP_STATUS, failures=1, due_ms=5, run=3)
DELIVERED = Record(State.DELIVERED, attempts=2, status=200)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3, 500, AttemptError.HTTP_STATUS, 3)
SKIPPED = Record(State.SKIPPED, Reason.ENDPOINT_DISABLED, 1)
PENDING = Record(State.PENDING)
HELD = Record(State.HELD, Reason.PAUSED, attempts=1)
ALL = (None, PENDING, SCHEDULED, HELD, DELIVERED, DEAD, SKIPPED)


def answered(status: int, *headers: tuple[bytes, bytes]) -> Answered:
    return Answered(status, list(headers), b"", body_truncated=False, remote_address="", duration_ms=1.0)


def verdict(
    before: Record | None, result: Result, order: Kind | None = None, policy: Policy = ON, run: int = 0
) -> outcome.Verdict:
    return judge(before or Record(State.PENDING), result, order, run, policy, NOW, RANDOM)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
@pytest.mark.parametrize(("before", "order"), list(itertools.product(ALL, (None, *Kind))))
def test_2xx_is_success_whoever_asked(status: int, before: Record | None, order: Kind | None) -> None:
    found = verdict(before, answered(status), order)
    attempts = before.attempts + 1 if before else 1
    run = before.run if before else 0
    assert found == (
        Record(State.DELIVERED, attempts=attempts, status=status, changed_ms=NOW.store_ms, run=run),
        True,
        False,
    )


@pytest.mark.parametrize("status", [301, 302, 307, 308, 400, 401, 404, 408, 418, 429, 500, 503, 599])
def test_everything_else_is_retried(status: int) -> None:
    found = verdict(None, answered(status))
    assert (found.success, found.gone) == (False, False)
    assert found.after == Record(
        State.SCHEDULED, attempts=1, status=status, error=AttemptError.HTTP_STATUS,
        failures=1, due_ms=NOW.store_ms + 10_000, changed_ms=NOW.store_ms,
    )  # fmt: skip


@pytest.mark.parametrize(
    "error",
    [
        "dns",
        "address_blocked",
        "connect_refused",
        "connect_timeout",
        "reset",
        "tls",
        "deadline",
        "head_too_large",
        "protocol",
    ],
)
def test_a_failure_below_http_is_retried_and_named(error: str) -> None:
    found = verdict(PENDING, Failed(error, "", "", 1.0))  # type: ignore[arg-type]  # one of the closed set
    assert found.after.error.name.lower() == error
    assert (found.after.state, found.after.status) == (State.SCHEDULED, 0)


def test_the_schedule_goes_on_and_ends() -> None:
    second = verdict(Record(State.SCHEDULED, attempts=1, failures=1), answered(500)).after
    assert (second.failures, second.due_ms) == (2, NOW.store_ms + 60_000)
    last = verdict(second, answered(500)).after
    assert (last.state, last.reason, last.failures, last.due_ms) == (State.DEAD, Reason.EXHAUSTED, 3, 0)


GONE = [
    answered(410),
    answered(404, (b"Webhook-Delivery", b" Disable ")),
    answered(400, (b"webhook-delivery", b"disable")),
]
NOT_GONE = [
    answered(500, (b"webhook-delivery", b"disable")), answered(302, (b"webhook-delivery", b"disable")),
    answered(404, (b"webhook-delivery", b"disabled")), answered(404), Failed("reset", "", "", 1.0),
]  # fmt: skip


@pytest.mark.parametrize("result", GONE)
def test_gone_ends_the_delivery_and_asks_to_disable(result: Result) -> None:
    found = verdict(SCHEDULED, result)
    assert found.gone
    assert (found.after.state, found.after.reason, found.after.due_ms) == (State.DEAD, Reason.GONE, 0)


@pytest.mark.parametrize("result", NOT_GONE)
def test_what_is_not_gone(result: Result) -> None:
    assert not verdict(None, result).gone


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_a_floor_of_429_and_503(status: int) -> None:
    def wait(result: Result) -> int:
        return verdict(None, result).after.due_ms - NOW.store_ms

    assert wait(answered(status, (b"Retry-After", b"100"))) == 100_000
    assert wait(answered(status, (b"retry-after", b"1"))) == 10_000
    assert wait(answered(500, (b"retry-after", b"100"))) == 10_000


@pytest.mark.parametrize("order", [Kind.MANUAL, Kind.PROBE])
@pytest.mark.parametrize("before", [SCHEDULED, HELD, DELIVERED, DEAD, SKIPPED])
@pytest.mark.parametrize("result", [answered(500), answered(410), Failed("deadline", "", "", 1.0)])
def test_a_failed_attempt_by_hand_leaves_everything_but_the_attempt(
    before: Record, result: Result, order: Kind
) -> None:
    after = verdict(before, result, order).after
    assert (after.state, after.reason, after.failures, after.due_ms) == (
        before.state, before.reason, before.failures, before.due_ms
    )  # fmt: skip
    assert after.attempts == before.attempts + 1


def test_by_hand_on_an_endpoint_that_is_off_only_what_is_open_ends() -> None:
    off = Policy((10,), Reason.ENDPOINT_DELETED)
    ended = verdict(SCHEDULED, answered(500), Kind.MANUAL, off).after
    assert (ended.state, ended.reason, ended.due_ms) == (State.SKIPPED, Reason.ENDPOINT_DELETED, 0)
    for before in (DELIVERED, DEAD, SKIPPED):
        assert verdict(before, answered(500), Kind.MANUAL, off).after.state is before.state


def test_a_probe_that_fails_makes_a_record_of_what_had_none() -> None:
    off = Policy((10,), Reason.ENDPOINT_DISABLED)
    after = verdict(None, answered(500), Kind.PROBE, off).after
    assert (after.state, after.reason, after.attempts) == (State.SKIPPED, Reason.ENDPOINT_DISABLED, 1)
    assert verdict(None, answered(200), Kind.PROBE, off).after.state is State.DELIVERED
    assert verdict(DEAD, answered(410), Kind.PROBE, off).gone


@pytest.mark.parametrize("order", [Kind.MANUAL_RETRY, Kind.FILL, Kind.AGAIN])
@pytest.mark.parametrize("before", ALL)
def test_a_new_schedule_starts_at_its_first_wait(order: Kind, before: Record | None) -> None:
    after = verdict(before, answered(500), order, run=8).after
    assert (after.state, after.reason, after.failures) == (State.SCHEDULED, Reason.NONE, 1)
    assert (after.due_ms, after.run) == (NOW.store_ms + 10_000, 8)


@pytest.mark.parametrize("order", [Kind.FILL, Kind.AGAIN])
@pytest.mark.parametrize("state", sorted(OPEN_STATES))
def test_the_replay_that_opened_a_delivery_goes_on_with_its_schedule(order: Kind, state: State) -> None:
    before = Record(state, failures=1, run=8)
    after = verdict(before, answered(500), order, run=8).after
    assert (after.state, after.failures, after.due_ms) == (State.SCHEDULED, 2, NOW.store_ms + 60_000)
    ended = verdict(replace(before, failures=2), answered(500), order, run=8).after
    assert (ended.state, ended.reason) == (State.DEAD, Reason.EXHAUSTED)
    handed = outcome.handed_over(before, order, 8, 777, 9_999)
    assert (handed.state, handed.failures, handed.due_ms) == (State.PENDING, 1, 9_999)
    assert verdict(before, answered(500), order, run=9).after.failures == 1
    assert verdict(before, answered(500), Kind.MANUAL_RETRY).after.failures == 1


def test_no_further_attempt_to_an_endpoint_that_is_off() -> None:
    after = verdict(SCHEDULED, answered(500), policy=Policy((10, 60), Reason.ENDPOINT_DISABLED)).after
    assert (after.state, after.reason, after.due_ms, after.failures) == (State.SKIPPED, Reason.ENDPOINT_DISABLED, 0, 2)


def test_counts_stay_within_the_record() -> None:
    full = Record(State.SCHEDULED, attempts=0xFFFF, failures=0xFF)
    after = verdict(full, answered(500), policy=Policy((1,) * 50)).after
    assert (after.attempts, after.failures) == (0xFFFF, 0xFF)
    assert len(after.packed()) == 32


@pytest.mark.parametrize("why", [Reason.ENDPOINT_DISABLED, Reason.EXPIRED, Reason.POISON])
@pytest.mark.parametrize("before", ALL)
def test_what_is_declined(before: Record | None, why: Reason) -> None:
    after = outcome.declined(before or Record(State.PENDING), why, 777, run=4)
    if before is None or before.state in OPEN_STATES:
        expected = State.DEAD if why is Reason.POISON else State.SKIPPED
        assert (after.state, after.reason, after.due_ms, after.run) == (expected, why, 0, 4)
        assert after.attempts == (before.attempts if before else 0)
    else:
        assert (after.state, after.reason) == (before.state, before.reason)
        assert after != before, "the store must see a change"


@pytest.mark.parametrize("before", [SCHEDULED, DELIVERED, DEAD, SKIPPED])
def test_an_attempt_by_hand_is_handed_over_without_a_trace(before: Record) -> None:
    after = outcome.handed_over(before, Kind.MANUAL, 0, 777, 9_999)
    assert (after.state, after.reason, after.failures) == (before.state, before.reason, before.failures)
    assert after.due_ms == (9_999 if before.due_ms else 0)
    assert after != before
    late = Record(State.SCHEDULED, due_ms=99_999)
    assert outcome.handed_over(late, Kind.MANUAL, 0, 777, 9_999).due_ms == 99_999


@pytest.mark.parametrize("order", [None, Kind.MANUAL_RETRY, Kind.FILL, Kind.AGAIN])
@pytest.mark.parametrize("before", ALL)
def test_any_other_attempt_is_handed_over_as_pending_until_it_must_have_ended(
    before: Record | None, order: Kind | None
) -> None:
    after = outcome.handed_over(before or Record(State.PENDING), order, 6 if order else 0, 777, 9_999)
    assert (after.state, after.reason, after.due_ms, after.changed_ms) == (State.PENDING, Reason.NONE, 9_999, 777)
    assert after.attempts == (before.attempts if before else 0)
    assert after.failures == (0 if order or not before else before.failures)
    assert after.run == (6 if order else before.run if before else 0)


@pytest.mark.parametrize("before", ALL)
def test_what_waits_in_a_lane(before: Record | None) -> None:
    after = outcome.waiting(before or Record(State.PENDING), 777)
    assert (after.state, after.reason, after.due_ms, after.changed_ms) == (State.PENDING, Reason.NONE, 0, 777)
    assert after.failures == (before.failures if before else 0)


@pytest.mark.parametrize("reason", [Reason.PAUSED, Reason.BREAKER, Reason.ORDER])
def test_what_is_held_keeps_its_failures_and_its_place_in_line(reason: Reason) -> None:
    after = outcome.waiting(Record(State.SCHEDULED, failures=2, due_ms=5, chain=7), 777, reason)
    assert (after.state, after.reason, after.due_ms, after.failures, after.chain) == (State.HELD, reason, 0, 2, 7)


def test_a_delivery_stays_in_line_until_it_ends_or_steps_aside() -> None:
    first = Record(State.PENDING, chain=7)
    assert verdict(first, answered(500)).after.chain == 7
    assert verdict(first, answered(500), policy=ON._replace(aside=True)).after.chain == 0
    assert verdict(first, answered(200)).after.chain == 0
    assert verdict(first, answered(410)).after.chain == 0
    assert verdict(replace(first, failures=2), answered(500)).after.chain == 0, "the schedule is at its end"
    assert verdict(first, answered(500), Kind.MANUAL).after.chain == 7
    assert verdict(first, answered(500), Kind.MANUAL_RETRY).after.chain == 0, "it stands outside live order now"
    assert outcome.declined(first, Reason.ENDPOINT_DELETED, 777).chain == 0
    assert outcome.handed_over(first, None, 0, 777, 9_999).chain == 7


def test_what_too_many_are_held_before_can_be_replayed() -> None:
    after = outcome.held_over(Record(State.PENDING, chain=7), 777)
    assert (after.state, after.reason, after.chain, after.changed_ms) == (State.SKIPPED, Reason.HOLD_FULL, 0, 777)


@pytest.mark.parametrize(("status", "slower"), [(429, True), (502, True), (504, True), (503, False), (500, False)])
def test_which_answers_ask_for_less(status: int, slower: bool) -> None:
    assert outcome.says_slower(answered(status)) is slower
    assert not outcome.says_slower(Failed("reset", "", "", 1.0))
