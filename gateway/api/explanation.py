"""Why an endpoint did or did not get an event, and what set the next step of its delivery; pure, in plain words.

Whom an event went to is known once it was read (`fanned`). Why it did not go to another one is told by the registry as
it is now; where that cannot have been otherwise then, the explanation is as of the delivery.
"""

from typing import Literal, NamedTuple

from gateway import filters, matching, rfc3339
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store.breakers import Breaker
from receivers import patterns

Why = Literal[
    "matched", "addressing", "pattern", "filter", "filter_error", "disabled", "not_yet_created", "changed_since"
]
AsOf = Literal["delivery", "now"]
_LISTED = 10
_LONGEST_FILTER = 300


class Verdict(NamedTuple):
    """Whether the endpoint got the event, or will; why; and whether that is known of then, or holds now."""

    matched: bool
    reason: Why
    detail: str
    as_of: AsOf


def of_deleted() -> Verdict:
    """Of an endpoint that got the event and is gone."""
    return Verdict(True, "matched", "it got the event, and was deleted since", "delivery")


def judge(endpoint: Endpoint, event: Event, values: filters.EventValues, got: bool | None) -> Verdict:
    """`got` tells whether the event went to it, None while the event is unread."""
    if got:
        return Verdict(True, "matched", "it got the event", "delivery")
    # what is unread is matched later, also against endpoints that are made in between
    if got is None:
        return _refusal(endpoint, event, values) or Verdict(True, "matched", "it gets the event once it is read", "now")
    if endpoint.created_ms > event.accepted_ms:
        made = rfc3339.format_ms(endpoint.created_ms)
        return Verdict(False, "not_yet_created", f"it was created at {made}, after the event", "delivery")
    found = _refusal(endpoint, event, values)
    if found is None:
        changed = rfc3339.format_ms(endpoint.updated_ms)
        detail = f"it matches as it is now; it was changed at {changed}, and was otherwise when the event was matched"
        return Verdict(False, "changed_since", detail, "now")
    if endpoint.updated_ms <= event.accepted_ms:
        return found._replace(as_of="delivery")
    return found


def _refusal(endpoint: Endpoint, event: Event, values: filters.EventValues) -> Verdict | None:
    """Why the endpoint, as it is now, does not get the event; None if it does."""
    if not matching.is_addressed(endpoint, event):
        return Verdict(False, "addressing", _addressing(endpoint, event), "delivery")
    if endpoint.status == "disabled":
        since = endpoint.disabled_ms or endpoint.updated_ms
        detail = f"it is disabled ({endpoint.disabled_reason}) since {rfc3339.format_ms(since)}"
        return Verdict(False, "disabled", detail, "delivery" if since <= event.accepted_ms else "now")
    if event.endpoint:
        return None
    if not any(patterns.matches(pattern, event.type) for pattern in endpoint.event_types):
        listed = ", ".join(endpoint.event_types[:_LISTED]) + (", ..." if len(endpoint.event_types) > _LISTED else "")
        return Verdict(False, "pattern", f"none of its patterns selects {event.type}: {listed}", "now")
    return _filtered(endpoint, values)


def _filtered(endpoint: Endpoint, values: filters.EventValues) -> Verdict | None:
    failed: list[str] = []
    if matching.passes(endpoint, values, lambda _endpoint, reason: failed.append(reason)):
        return None
    if failed:
        return Verdict(False, "filter_error", f"its filter has no answer for this event: {failed[0]}", "now")
    return Verdict(False, "filter", f"its filter is false for this event: {endpoint.filter[:_LONGEST_FILTER]}", "now")


def _addressing(endpoint: Endpoint, event: Event) -> str:
    if event.endpoint:
        return f"the event is for the endpoint {event.endpoint} alone"
    to = f"for the subscriber {event.subscriber}" if event.subscriber else "addressed to no subscriber"
    return f"the event is {to}; {endpoint.subscriber} is external and gets only what is addressed to it"


class Facts(NamedTuple):
    """What is known beside the record: `retries` of the schedule; `retry_after` of the last answer; the open breaker;
    `before` is the event that is first in line of the same ordering key."""

    retries: int
    retry_after: str = ""
    paused_ms: int | None = None
    breaker: Breaker | None = None
    before: str = ""


def rule(record: Record, facts: Facts) -> str:
    """What set the state of a delivery, and its next attempt."""
    if record.state is State.SCHEDULED:
        after = f", Retry-After {facts.retry_after}" if facts.retry_after else ""
        return f"retry {record.failures} of {facts.retries} after {_cause(record)}{after}"
    if record.state is State.HELD:
        return _held(record, facts)
    if record.state is State.PENDING:
        return _pending(record)
    if record.state is State.DELIVERED:
        return f"delivered by attempt {record.attempts} with HTTP {record.status}"
    if record.reason is Reason.EXHAUSTED:
        return f"dead: every retry of the schedule failed, the last with {_cause(record)}"
    if record.reason is Reason.GONE:
        return f"dead: HTTP {record.status} says that nothing is wanted any more"
    return _ENDED.get(record.reason, record.state.name.lower())


_ENDED = {
    Reason.POISON: "dead: the bytes of the event are not those that were accepted",
    Reason.ENDPOINT_DISABLED: "skipped: the endpoint was disabled",
    Reason.ENDPOINT_DELETED: "skipped: the endpoint was deleted",
    Reason.HOLD_FULL: "skipped: as many as may be held were held already; a replay brings it",
    Reason.EXPIRED: "skipped: the event went with retention",
    Reason.OPERATOR: "skipped: by an operator",
}


def _cause(record: Record) -> str:
    if record.error is AttemptError.HTTP_STATUS:
        return f"HTTP {record.status}"
    return record.error.name.lower() if record.error else "a failure"


def _pending(record: Record) -> str:
    if record.due_ms:
        return "goes on after its partition changed hands, once the attempt that ran then must have ended"
    if record.attempts == 0:
        return "the first attempt is running, or waits for its turn"
    return f"attempt {record.attempts + 1} is running, or waits for its turn"


def _held(record: Record, facts: Facts) -> str:
    if record.reason is Reason.ORDER:
        before = f"the event {facts.before}" if facts.before else "an earlier event"
        return f"held: waits for {before} of the same ordering key"
    if record.reason is Reason.PAUSED:
        if facts.paused_ms is None:
            return "held: the endpoint was paused, and is sent what was held for it"
        return f"held: the endpoint is paused since {rfc3339.format_ms(facts.paused_ms)}"
    if facts.breaker is None:
        return "held: the breaker was open, and what was held is sent"
    if facts.breaker.half_open:
        return "held: the breaker is half open, a probe is running"
    return f"held: the breaker is open, the next probe is at {rfc3339.format_ms(facts.breaker.next_ms)}"
