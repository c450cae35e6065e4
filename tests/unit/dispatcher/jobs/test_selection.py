"""No replay crosses what addressing keeps apart."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dispatcher.jobs.selection import Selection
from gateway import ids, matching
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers import patterns
from receivers.errors import PatternError

SUBSCRIBERS = ("acme", "globex", "shop")
ENDPOINTS = ("ep_1", "ep_2")
TYPES = ("order.placed", "order.paid.late", "hookline.test", "hookline.delivery.dead", "user")

endpoints = st.builds(
    Endpoint,
    id=st.sampled_from(ENDPOINTS),
    number=st.just(1),
    subscriber=st.sampled_from(SUBSCRIBERS),
    kind=st.sampled_from(["internal", "external"]),
    url=st.just("https://a.test/"),
    event_types=st.lists(st.sampled_from(["*", "order.*", "hookline.*"]), min_size=1).map(tuple),
    status=st.sampled_from(["enabled", "disabled"]),
)
events = st.builds(
    Event,
    address=st.just(ids.Address(1, 0, 0)),
    id=st.just("evt"),
    source=st.just("/keys/a"),
    type=st.sampled_from(TYPES),
    data=st.just(b"{}"),
    subscriber=st.sampled_from(("", *SUBSCRIBERS)),
    endpoint=st.sampled_from(("", *ENDPOINTS)),
)
wanted = st.lists(st.sampled_from(["*", "order.*", "hookline.*", "user", "hookline.test"]), min_size=1).map(tuple)


@given(endpoints, events, wanted)
@example(
    Endpoint("ep_1", 1, "acme", "external", "https://a.test/"),
    Event(ids.Address(1, 0, 0), "evt", "/keys/a", "user", b"{}", subscriber="globex"),
    ("*",),
)
def test_an_external_subscriber_gets_nothing_that_is_not_addressed_to_it(
    endpoint: Endpoint, event: Event, event_types: tuple[str, ...]
) -> None:
    if Selection(endpoint, event_types).selects(event) and endpoint.kind == "external":
        assert event.subscriber == endpoint.subscriber


@given(endpoints, events, wanted)
def test_a_test_event_reaches_no_other_endpoint(endpoint: Endpoint, event: Event, event_types: tuple[str, ...]) -> None:
    if Selection(endpoint, event_types).selects(event) and event.endpoint:
        assert (event.endpoint, event.subscriber) == (endpoint.id, endpoint.subscriber)


@given(endpoints, events, wanted)
def test_what_is_addressed_to_it_is_selected_by_the_patterns_alone(
    endpoint: Endpoint, event: Event, event_types: tuple[str, ...]
) -> None:
    selected = Selection(endpoint, event_types).selects(event)
    fits = any(patterns.matches(pattern, event.type) for pattern in event_types)
    assert not selected or fits
    if not event.endpoint and (endpoint.kind == "internal" or event.subscriber == endpoint.subscriber):
        assert selected == fits


@given(endpoints, events)
def test_with_its_own_patterns_it_selects_what_live_delivery_would_have(endpoint: Endpoint, event: Event) -> None:
    selection = Selection(endpoint, endpoint.event_types)
    assert selection.is_live(event) == matching.matches(endpoint, event)
    if endpoint.status == "enabled" and not event.endpoint:
        assert selection.selects(event) == selection.is_live(event)


def test_a_filter_is_asked_apart_from_what_headers_tell() -> None:
    endpoint = Endpoint("ep_1", 1, "acme", "external", "https://a.test/", filter="data.n > 1")
    selection = Selection(endpoint, ("*",))
    few, many = [
        Event(ids.Address(1, 0, 0), "evt", "/keys/a", "user", b'{"n":%d}' % n, subscriber="acme") for n in (1, 2)
    ]
    assert selection.is_live(few)
    assert (selection.passes(few), selection.passes(many)) == (False, True)


def test_a_bad_pattern_is_refused() -> None:
    with pytest.raises(PatternError):
        Selection(Endpoint("ep_1", 1, "acme", "external", "https://a.test/"), ("a.**",))
