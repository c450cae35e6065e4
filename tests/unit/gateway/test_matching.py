"""Who gets an event: the rule, the index that must agree with it, and that addressing never crosses."""

from typing import get_args

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids, matching
from gateway.matching import Index
from gateway.model.endpoint import Endpoint, Status
from gateway.model.event import Event
from gateway.model.subscriber import Kind

TYPES = ["order", "order.placed", "order.item.added", "orders.placed", "hookline.test", "hookline.delivery.dead"]
PATTERNS = [*TYPES, "*", "order.*", "order.item.*", "hookline.*"]
SUBSCRIBERS: dict[str, Kind] = {"shop": "internal", "acme": "external", "globex": "external"}


@st.composite
def endpoints(draw: st.DrawFn) -> list[Endpoint]:
    made = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        subscriber = draw(st.sampled_from(sorted(SUBSCRIBERS)))
        patterns = tuple(draw(st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3, unique=True)))
        status = draw(st.sampled_from(get_args(Status)))
        made.append(
            Endpoint(f"e{number}", number, subscriber, SUBSCRIBERS[subscriber], "https://a.example/", patterns,
                     status=status)
        )  # fmt: skip
    return made


@st.composite
def events(draw: st.DrawFn) -> Event:
    subscriber = draw(st.sampled_from(["", "nobody", *SUBSCRIBERS]))
    addressed = draw(st.sampled_from(["", "", "e1", "e2", "gone"]))
    return Event(
        ids.Address(1, 1, 0), "evt", "/s", draw(st.sampled_from(TYPES)), b"1", subscriber=subscriber, endpoint=addressed
    )


@given(endpoints(), events())
def test_the_index_agrees_with_the_rule(registered: list[Endpoint], event: Event) -> None:
    index = Index(registered)
    assert list(index.match(event)) == [e for e in registered if matching.matches(e, event)]
    assert index.match(event) == index.match(event)


@given(endpoints(), events())
def test_an_external_subscriber_gets_only_what_is_addressed_to_it(registered: list[Endpoint], event: Event) -> None:
    for endpoint in Index(registered).match(event):
        assert endpoint.status != "disabled"
        assert endpoint.kind == "internal" or endpoint.subscriber == event.subscriber
        if event.endpoint:
            assert (endpoint.id, endpoint.subscriber) == (event.endpoint, event.subscriber)


@given(endpoints(), endpoints(), events())
def test_an_index_that_was_changed_is_as_one_that_was_made_anew(
    before: list[Endpoint], after: list[Endpoint], event: Event
) -> None:
    index = Index(before)
    index.match(event)
    for endpoint in before:
        index.remove(endpoint.id)
    for endpoint in after:
        index.put(endpoint)
    assert index.match(event) == Index(after).match(event)
    assert len(index) == len(after)


def test_everything_is_all_but_what_the_system_says_about_itself() -> None:
    index = Index([Endpoint("e1", 1, "shop", "internal", "https://a.example/")])
    placed = Event(ids.Address(1, 1, 0), "evt", "/s", "order.placed", b"1")
    assert [e.id for e in index.match(placed)] == ["e1"]
    assert index.match(msgspec.structs.replace(placed, type="hookline.delivery.dead")) == ()


def test_what_is_remembered_is_bounded() -> None:
    index = Index([Endpoint("e1", 1, "shop", "internal", "https://a.example/")])
    for number in range(matching.MAX_REMEMBERED + 2):
        index.match(Event(ids.Address(1, 1, 0), "evt", "/s", f"t{number}", b"1"))
    assert len(index._remembered) <= matching.MAX_REMEMBERED
