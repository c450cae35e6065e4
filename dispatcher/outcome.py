"""What an attempt means for its delivery: pure decisions, no I/O and no clock.

| attempt | result | the delivery becomes |
|---|---|---|
| any | 2xx | delivered |
| by the schedule | 410, or 4xx with `webhook-delivery: disable` | dead `gone`, the endpoint is disabled |
| by the schedule | anything else | scheduled; dead `exhausted` after the last wait; skipped if the endpoint is off |
| by hand | anything else | what it was before; skipped if it was still open and the endpoint is off |
| by hand, with a new schedule | anything else | as by the schedule, from its first wait |
| by a replay | anything else | as by the schedule, from its first wait; from the next one if it opened it before |
| a probe of a disabled endpoint | anything else | as by hand; 410 disables the endpoint as gone |

A delivery that stands in line for its ordering key (`chain`) leaves it when it ends, when somebody asks for it out of
turn, or, where the endpoint says `on_failure: skip`, with its first failure.
"""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from dispatcher import backoff
from dispatcher.sender import Answered, Result
from gateway.clock import Random
from gateway.model.delivery import OPEN_STATES, AttemptError, Reason, Record, State
from gateway.store.work import Kind

GONE = 410
HONOURED_RETRY_AFTER = frozenset({429, 503})
SINGLE = frozenset({Kind.MANUAL, Kind.PROBE})
"""One attempt that leaves a delivery what it was, unless it succeeds."""
OVERLOADED = frozenset({429, 502, 504})


class Moment(NamedTuple):
    """When it is: store time for due times, wall time for HTTP dates, milliseconds both."""

    store_ms: int
    wall_ms: int


class Policy(NamedTuple):
    """What of the endpoint decides: its schedule in seconds, why no further attempt is wanted, if so, and whether a
    failed delivery steps out of line."""

    schedule: Sequence[int]
    off: Reason | None = None
    aside: bool = False


class Verdict(NamedTuple):
    """The record after the attempt, whether it succeeded, and whether the receiver asked to be disabled."""

    after: Record
    success: bool
    gone: bool


def error_of(result: Result) -> AttemptError:
    """The closed error of the API; NONE for a 2xx."""
    if isinstance(result, Answered):
        return AttemptError.NONE if 200 <= result.status < 300 else AttemptError.HTTP_STATUS
    return AttemptError[result.error.upper()]


def says_gone(result: Result) -> bool:
    """410, or any 4xx with `webhook-delivery: disable`."""
    if not isinstance(result, Answered):
        return False
    if result.status == GONE:
        return True
    disable = any(value.strip().lower() == b"disable" for value in result.values(b"webhook-delivery"))
    return 400 <= result.status < 500 and disable


def goes_on(old: Record, run: int) -> bool:
    """Whether an order of this replay is about a delivery that it has opened before and that is still open."""
    return run != 0 and old.run == run and old.state in OPEN_STATES


def says_slower(result: Result) -> bool:
    """Whether the answer is one of an overloaded receiver: it gets fewer attempts at a time."""
    return isinstance(result, Answered) and result.status in OVERLOADED


def judge(
    old: Record, result: Result, order: Kind | None, run: int, policy: Policy, now: Moment, random: Random
) -> Verdict:
    """The verdict on one attempt; `order` tells who asked for it (None: the schedule), `run` which replay."""
    error = error_of(result)
    status = result.status if isinstance(result, Answered) else 0
    attempts = min(old.attempts + 1, 0xFFFF)
    anew = order is not None and not goes_on(old, run)
    run = run or old.run
    if error is AttemptError.NONE:
        after = Record(State.DELIVERED, attempts=attempts, status=status, changed_ms=now.store_ms, run=run)
        return Verdict(after, success=True, gone=False)
    stamped = replace(old, attempts=attempts, status=status, error=error, changed_ms=now.store_ms, run=run)
    gone = says_gone(result)
    if order in SINGLE:
        if policy.off is not None and old.state in OPEN_STATES:
            stamped = replace(stamped, state=State.SKIPPED, reason=policy.off, due_ms=0, chain=0)
        return Verdict(stamped, success=False, gone=gone)
    failures = 1 if anew else min(old.failures + 1, 0xFF)
    chain = 0 if order is not None or policy.aside else old.chain
    stamped = replace(stamped, failures=failures, due_ms=0, reason=Reason.NONE, chain=chain)
    if gone:
        return Verdict(_ended(stamped, State.DEAD, Reason.GONE), success=False, gone=True)
    if policy.off is not None:
        return Verdict(_ended(stamped, State.SKIPPED, policy.off), success=False, gone=False)
    return Verdict(_retry(stamped, result, policy, now, random), success=False, gone=False)


def _ended(stamped: Record, state: State, reason: Reason) -> Record:
    return replace(stamped, state=state, reason=reason, due_ms=0, chain=0)


def _retry(stamped: Record, result: Result, policy: Policy, now: Moment, random: Random) -> Record:
    delay = backoff.delay_ms(policy.schedule, stamped.failures, random)
    if delay is None:
        return _ended(stamped, State.DEAD, Reason.EXHAUSTED)
    if isinstance(result, Answered) and result.status in HONOURED_RETRY_AFTER:
        delay = max(delay, backoff.retry_after_ms(result.values(b"retry-after"), now.wall_ms))
    return replace(stamped, state=State.SCHEDULED, due_ms=now.store_ms + delay)


def declined(old: Record, why: Reason, now_ms: int, run: int = 0) -> Record:
    """The record of a delivery that cannot be attempted: what is new or open ends, what has ended stays as it was."""
    if old.state not in OPEN_STATES:
        # a later time, so that the store sees a change, and removes the order that asked for it
        return replace(old, changed_ms=max(now_ms, old.changed_ms + 1))
    state = State.DEAD if why is Reason.POISON else State.SKIPPED
    return replace(_ended(old, state, why), changed_ms=now_ms, run=run or old.run)


def handed_over(old: Record, order: Kind | None, run: int, now_ms: int, not_before_ms: int) -> Record:
    """The record of a delivery whose attempt runs, or may run, while its partition goes to another owner.

    The other waits until that attempt must have ended; an attempt by hand leaves everything else as it was.
    """
    if order in SINGLE:
        due_ms = max(old.due_ms, not_before_ms) if old.due_ms else 0
        return replace(old, due_ms=due_ms, changed_ms=max(now_ms, old.changed_ms + 1))
    failures = old.failures if order is None or goes_on(old, run) else 0
    chain = old.chain if order is None else 0
    return replace(
        old, state=State.PENDING, reason=Reason.NONE, failures=failures, due_ms=not_before_ms,
        changed_ms=now_ms, run=run or old.run, chain=chain,
    )  # fmt: skip


def waiting(old: Record, now_ms: int, held: Reason = Reason.NONE) -> Record:
    """The record of a delivery that waits in the store: for capacity, or held for a reason."""
    state = State.HELD if held else State.PENDING
    return replace(old, state=state, reason=held, due_ms=0, changed_ms=now_ms)


def held_over(old: Record, now_ms: int) -> Record:
    """The record of a new delivery that more than enough are held before: it ends, and a replay can bring it."""
    return replace(_ended(old, State.SKIPPED, Reason.HOLD_FULL), changed_ms=now_ms)
