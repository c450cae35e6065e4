"""Explanations in words: one per reason, and of then only what cannot have been otherwise."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import filters, ids, matching
from gateway.api import explanation
from gateway.api.explanation import Facts, judge, rule
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from gateway.store.breakers import Breaker

ACCEPTED = 1_700_000_000_000
EVENT = Event(ids.Address(ACCEPTED, 0, 0), "e", "/s", "order.placed", b'{"n":1}')
BEFORE, AFTER = ACCEPTED - 1_000, ACCEPTED + 1_000


def endpoint(**fields: Any) -> Endpoint:
    made = Endpoint("pay", 1, "shop", "internal", "http://a.example", created_ms=BEFORE, updated_ms=BEFORE)
    return msgspec.structs.replace(made, **fields)


def of(one: Endpoint, event: Event = EVENT, got: bool | None = False) -> explanation.Verdict:
    return judge(one, event, filters.EventValues(event), got)


@pytest.mark.parametrize(
    ("one", "event", "reason", "as_of", "said"),
    [
        (
            {"created_ms": AFTER, "updated_ms": AFTER},
            {},
            "not_yet_created",
            "delivery",
            "created at 2023-11-14T22:13:21",
        ),
        ({"kind": "external", "subscriber": "acme"}, {}, "addressing", "delivery", "addressed to no subscriber"),
        ({"kind": "external"}, {"subscriber": "acme"}, "addressing", "delivery", "for the subscriber acme"),
        ({}, {"endpoint": "other", "subscriber": "shop"}, "addressing", "delivery", "for the endpoint other alone"),
        (
            {"status": "disabled", "disabled_ms": BEFORE, "disabled_reason": "gone"},
            {},
            "disabled",
            "delivery",
            "(gone)",
        ),
        ({"status": "disabled", "disabled_ms": AFTER, "updated_ms": AFTER}, {}, "disabled", "now", "since"),
        ({"event_types": ("user.*", "a")}, {}, "pattern", "delivery", "selects order.placed: user.*, a"),
        ({"event_types": ("user.*",), "updated_ms": AFTER}, {}, "pattern", "now", "none of its patterns"),
        ({"filter": "data.n > 1"}, {}, "filter", "delivery", "false for this event: data.n > 1"),
        ({"filter": "data.m > 1", "updated_ms": AFTER}, {}, "filter_error", "now", "no such member: m"),
        ({"filter": "no filter"}, {}, "filter_error", "delivery", "no answer"),
        ({"updated_ms": AFTER}, {}, "changed_since", "now", "matches as it is now"),
    ],
)
def test_why_not(one: dict[str, Any], event: dict[str, Any], reason: str, as_of: str, said: str) -> None:
    verdict = of(endpoint(**one), msgspec.structs.replace(EVENT, **event))
    assert (verdict.matched, verdict.reason, verdict.as_of) == (False, reason, as_of)
    assert said in verdict.detail


def test_what_went_out_is_known_whatever_the_endpoint_is_now() -> None:
    assert of(endpoint(event_types=("user.*",)), got=True)[:2] == (True, "matched")
    assert of(endpoint(event_types=("user.*",)), got=True).as_of == "delivery"
    assert explanation.of_deleted()[:2] == (True, "matched")


def test_of_an_unread_event_only_now_is_known() -> None:
    late = endpoint(created_ms=AFTER, updated_ms=AFTER)
    assert of(late, got=None) == explanation.Verdict(True, "matched", "it gets the event once it is read", "now")
    assert of(endpoint(event_types=("user.*",)), got=None).as_of == "now"


def test_a_test_of_an_endpoint_ignores_patterns_and_filter() -> None:
    addressed = msgspec.structs.replace(EVENT, endpoint="pay", subscriber="shop")
    assert of(endpoint(event_types=("user.*",), filter="false"), addressed, got=None).matched


@given(
    st.sampled_from(["order.*", "user.*", "*"]), st.sampled_from(["", "true", "data.n == 2", "data.x"]),
    st.sampled_from(["enabled", "paused", "disabled"]), st.sampled_from(["internal", "external"]),
    st.sampled_from(["", "shop", "acme"]), st.sampled_from(["", "pay", "other"]),
)  # fmt: skip
def test_of_now_it_agrees_with_the_rule(
    pattern: str, text: str, status: Any, kind: Any, subscriber: str, addressed: str
) -> None:
    one = endpoint(event_types=(pattern,), filter=text, status=status, kind=kind)
    event = msgspec.structs.replace(EVENT, subscriber=subscriber, endpoint=addressed)
    assert of(one, event, got=None).matched == matching.matches(one, event)


HTTP_503: dict[str, Any] = {"status": 503, "error": AttemptError.HTTP_STATUS}


@pytest.mark.parametrize(
    ("record", "facts", "said"),
    [
        (Record(State.SCHEDULED, attempts=3, failures=3, **HTTP_503), {}, "retry 3 of 10 after HTTP 503"),
        (
            Record(State.SCHEDULED, attempts=3, failures=3, **HTTP_503),
            {"retry_after": "120"},
            "retry 3 of 10 after HTTP 503, Retry-After 120",
        ),
        (
            Record(State.SCHEDULED, attempts=1, failures=1, error=AttemptError.CONNECT_REFUSED),
            {},
            "retry 1 of 10 after connect_refused",
        ),
        (Record(State.PENDING), {}, "the first attempt is running, or waits for its turn"),
        (Record(State.PENDING, attempts=2), {}, "attempt 3 is running, or waits for its turn"),
        (Record(State.PENDING, due_ms=5), {}, "goes on after its partition changed hands"),
        (
            Record(State.HELD, Reason.PAUSED),
            {"paused_ms": ACCEPTED},
            "held: the endpoint is paused since 2023-11-14T22:13:20",
        ),
        (Record(State.HELD, Reason.PAUSED), {}, "was paused"),
        (
            Record(State.HELD, Reason.BREAKER),
            {"breaker": Breaker(1, ACCEPTED)},
            "the breaker is open, the next probe is at 2023-11-14T22:13:20",
        ),
        (Record(State.HELD, Reason.BREAKER), {"breaker": Breaker(1, 2, 0, b"12345678")}, "half open"),
        (Record(State.HELD, Reason.BREAKER), {}, "the breaker was open"),
        (Record(State.HELD, Reason.ORDER), {"before": "evt_1"}, "waits for the event evt_1 of the same ordering key"),
        (Record(State.HELD, Reason.ORDER), {}, "an earlier event of the same ordering key"),
        (Record(State.DELIVERED, attempts=2, status=204), {}, "delivered by attempt 2 with HTTP 204"),
        (
            Record(State.DEAD, Reason.EXHAUSTED, **HTTP_503),
            {},
            "every retry of the schedule failed, the last with HTTP",
        ),
        (Record(State.DEAD, Reason.GONE, status=410), {}, "HTTP 410 says that nothing is wanted"),
        (Record(State.DEAD, Reason.POISON), {}, "not those that were accepted"),
        (Record(State.SKIPPED, Reason.HOLD_FULL), {}, "a replay brings it"),
    ],
)
def test_what_is_next_and_why(record: Record, facts: dict[str, Any], said: str) -> None:
    assert said in rule(record, Facts(retries=10, **facts))


@pytest.mark.parametrize("reason", list(Reason))
@pytest.mark.parametrize("state", list(State))
def test_every_state_has_words(state: State, reason: Reason) -> None:
    assert rule(Record(state, reason), Facts(retries=1))
