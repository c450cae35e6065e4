"""Who gets an event: the rule, the index that must agree with it, and that addressing never crosses."""

import asyncio
import time
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids, matching, tasks
from gateway.matching import Index
from gateway.model.endpoint import Endpoint, Status
from gateway.model.event import Event
from gateway.model.subscriber import Kind

TYPES = ["order", "order.placed", "order.item.added", "orders.placed", "hookline.test", "hookline.delivery.dead"]
PATTERNS = [*TYPES, "*", "order.*", "order.item.*", "hookline.*"]
FILTERS = ["", "", "data.amount > 1", "data.nothing == 1", "subject == 'eu' || data.amount == 1", "data", "no filter"]
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
                     status=status, filter=draw(st.sampled_from(FILTERS)))
        )  # fmt: skip
    return made


@st.composite
def events(draw: st.DrawFn) -> Event:
    subscriber = draw(st.sampled_from(["", "nobody", *SUBSCRIBERS]))
    addressed = draw(st.sampled_from(["", "", "e1", "e2", "gone"]))
    data, subject = draw(st.sampled_from([b"1", b'{"amount":1}', b'{"amount":2}'])), draw(st.sampled_from(["", "eu"]))
    return Event(
        ids.Address(1, 1, 0), "evt", "/s", draw(st.sampled_from(TYPES)), data,
        subject=subject, subscriber=subscriber, endpoint=addressed,
    )  # fmt: skip


@given(endpoints(), events())
def test_the_index_agrees_with_the_rule(registered: list[Endpoint], event: Event) -> None:
    index = Index(registered)
    assert list(index.match(event)) == [e for e in registered if matching.matches(e, event)]
    assert index.match(event) == index.match(event)
    assert asyncio.run(index.match_in_turns(event)) == index.match(event)


@given(endpoints(), events())
def test_an_external_subscriber_gets_only_what_is_addressed_to_it(registered: list[Endpoint], event: Event) -> None:
    for endpoint in Index(registered).match(event):
        assert endpoint.status != "disabled"
        assert endpoint.kind == "internal" or endpoint.subscriber == event.subscriber
        if event.endpoint:
            assert (endpoint.id, endpoint.subscriber) == (event.endpoint, event.subscriber)


@given(endpoints(), st.lists(st.tuples(st.booleans(), endpoints()), max_size=5), st.lists(events(), min_size=1))
def test_an_index_that_was_changed_is_as_one_that_was_made_anew(
    before: list[Endpoint], steps: list[tuple[bool, list[Endpoint]]], seen: list[Event]
) -> None:
    index = Index(before)
    left = {endpoint.id: endpoint for endpoint in before}
    for removing, some in steps:
        assert [index.match(event) for event in seen] == [Index(left.values()).match(event) for event in seen]
        for endpoint in some:
            if removing:
                assert index.remove(endpoint.id) == left.pop(endpoint.id, None)
            else:
                index.put(endpoint)
                left[endpoint.id] = endpoint
    assert [index.match(event) for event in seen] == [Index(left.values()).match(event) for event in seen]
    assert len(index) == len(left)
    assert {endpoint.id for endpoint in index} == set(left)


def made(number: int, pattern: str = "*", filter_: str = "", subscriber: str = "shop") -> Endpoint:
    kind = SUBSCRIBERS.get(subscriber, "external")
    return Endpoint(f"e{number}", number, subscriber, kind, "https://a.example/", (pattern,), filter_)


def placed(data: bytes = b'{"amount":2}', **more: str) -> Event:
    return msgspec.structs.replace(Event(ids.Address(1, 1, 0), "evt", "/s", "order.placed", data), **more)


def test_a_filter_is_asked_only_where_everything_else_matches() -> None:
    failed: list[tuple[str, str]] = []
    wrong = [
        made(1, "order.*", "data.nothing == 1"), made(2, "user.*", "data.nothing == 1"),
        made(3, "*", "data.nothing == 1", "acme"), made(4, "*", "no filter"), made(5, "*", "data.amount == 2"),
    ]  # fmt: skip
    index = Index(wrong, lambda endpoint, reason: failed.append((endpoint.id, reason)))
    assert [endpoint.id for endpoint in index.match(placed())] == ["e5"]
    assert [name for name, _ in failed] == ["e1", "e4"]
    assert failed[0][1].startswith("no such member: nothing")


async def test_filters_that_take_long_let_others_have_their_turns() -> None:
    slow = "data.l.exists(a, data.l.exists(b, a + b == 1000))"
    index = Index([made(number, filter_=f"{slow} && id != '{number}'") for number in range(1, 31)])
    event = placed(b'{"l":[%s]}' % b",".join(b"%d" % number for number in range(25)))
    longest, turns = 0.0, 0
    matching_ = asyncio.create_task(index.match_in_turns(event))
    while not matching_.done():
        begun = time.thread_time()
        await tasks.let_others()
        longest, turns = max(longest, time.thread_time() - begun), turns + 1
    assert await matching_ == ()
    assert turns > 10
    assert longest < 0.05


async def test_what_small_filters_take_adds_up_over_events() -> None:
    index = Index([made(1, filter_="data.amount > 100")])
    waited = 0
    for _ in range(1_000):
        matched = index.match_in_turns(placed())
        try:
            matched.send(None)
        except StopIteration:
            continue
        waited += 1
        matched.close()
    assert 1 <= waited <= 100


async def test_while_others_have_their_turn_the_registry_may_change() -> None:
    slow = "data.l.exists(a, data.l.exists(b, a + b == 1000)) || true"
    endpoints = [made(number, filter_=f"{slow} && id != '{number}'") for number in range(1, 31)]
    index = Index(endpoints)
    event = placed(b'{"l":[%s]}' % b",".join(b"%d" % number for number in range(25)))
    matching_ = asyncio.create_task(index.match_in_turns(event))
    await tasks.let_others()
    for endpoint in endpoints:
        index.remove(endpoint.id)
    assert await matching_ == tuple(endpoints)
    assert index.match(event) == ()


def test_a_test_of_an_endpoint_ignores_its_filter() -> None:
    endpoint = made(1, "user.*", "false")
    addressed = placed(endpoint="e1", subscriber="shop", type="hookline.test")
    assert Index([endpoint]).match(addressed) == (endpoint,)
    assert matching.matches(endpoint, addressed)


def test_a_change_leaves_what_it_does_not_concern() -> None:
    index = Index([made(number, "order.placed") for number in range(1, 4)])
    before = index.match(placed())
    index.put(made(9, "user.created"))
    index.put(made(10, "*", subscriber="acme"))
    assert index.match(placed()) is before
    index.put(made(11, "order.*"))
    assert [endpoint.number for endpoint in index.match(placed())] == [1, 2, 3, 11]
    index.remove("e11")
    assert index.match(placed()) == before


def test_nothing_is_left_of_what_was_removed() -> None:
    index = Index([made(1, "order.*"), made(2, "*", subscriber="acme")])
    index.remove("e1")
    index.remove("e2")
    assert index._filed == {"": {}}
    assert index.remove("e2") is None


def test_everything_is_all_but_what_the_system_says_about_itself() -> None:
    index = Index([Endpoint("e1", 1, "shop", "internal", "https://a.example/")])
    placed = Event(ids.Address(1, 1, 0), "evt", "/s", "order.placed", b"1")
    assert [e.id for e in index.match(placed)] == ["e1"]
    assert index.match(msgspec.structs.replace(placed, type="hookline.delivery.dead")) == ()


def test_what_is_remembered_of_large_matches_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "MAX_REMEMBERED_MATCHES", 10)
    index = Index([made(1), made(2, "order.*")])
    for number in range(20):
        assert len(index.match(placed(type=f"order.t{number}"))) == 2
        assert index._remembered_matches <= 10
    assert index._remembered_matches == sum(found.size for found in index._remembered.values())


def test_what_is_remembered_is_bounded() -> None:
    index = Index([Endpoint("e1", 1, "shop", "internal", "https://a.example/")])
    for number in range(matching.MAX_REMEMBERED + 2):
        index.match(Event(ids.Address(1, 1, 0), "evt", "/s", f"t{number}", b"1"))
    assert len(index._remembered) <= matching.MAX_REMEMBERED
