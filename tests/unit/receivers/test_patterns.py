"""Event-type patterns, against the words of the design and against a second reading of them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receivers import patterns
from receivers.errors import PatternError

TYPE = st.from_regex(re.compile(r"[A-Za-z0-9_.-]{1,128}"), fullmatch=True)
PART = st.from_regex(re.compile(r"[a-c]{1,2}"), fullmatch=True)
DOTTED = st.lists(PART, min_size=1, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("pattern", "event_type", "expected"),
    [
        ("order.placed", "order.placed", True),
        ("order.placed", "order.placed.late", False),
        ("order.placed", "Order.placed", False),
        ("order.*", "order.placed", True),
        ("order.*", "order.item.added", True),
        ("order.*", "order", False),
        ("order.*", "order.", False),
        ("order.*", "orders.placed", False),
        ("order.item.*", "order.item.added", True),
        ("order.item.*", "order.placed", False),
        ("*", "order.placed", True),
        ("*", "x", True),
        ("*", "hookline", True),
        ("*", "hooklines.x", True),
        ("*", "hookline.test", False),
        ("*", "hookline.endpoint.disabled", False),
        ("hookline.*", "hookline.endpoint.disabled", True),
        ("hookline.endpoint.*", "hookline.endpoint.disabled", True),
        ("hookline.test", "hookline.test", True),
    ],
)
def test_matching(pattern: str, event_type: str, expected: bool) -> None:
    assert patterns.validate_pattern(pattern) == pattern
    assert patterns.matches(pattern, event_type) is expected
    assert patterns.Matcher([pattern, "never"]).matches(event_type) is expected


@pytest.mark.parametrize(
    "pattern",
    ["*", "a", "a.*", "A-b_c.9.*", "a" * 128, "a" * 126 + ".*", "..", "-"],
)
def test_valid_patterns(pattern: str) -> None:
    assert patterns.validate_pattern(pattern) == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        *["", "**", "*.*", "*.placed", "order*", "order.*.x", "order.**", ".*", "a..*", "a b", "é", "a\n", "a.*\n"],
        *["a" * 129, "a" * 127 + ".*", "order.?", "order/placed", "order.[ab]"],
    ],
)
def test_invalid_patterns(pattern: str) -> None:
    with pytest.raises(PatternError, match="not an event-type pattern") as raised:
        patterns.validate_pattern(pattern)
    assert raised.value.code == "pattern_invalid"
    with pytest.raises(PatternError):
        patterns.Matcher(["order.*", pattern])


@pytest.mark.parametrize("event_type", ["a", "A.b-c_9", "a" * 128, "."])
def test_event_types(event_type: str) -> None:
    assert patterns.validate_event_type(event_type) == event_type


@pytest.mark.parametrize("event_type", ["", "a" * 129, "a b", "a*", "é", "a\n", "a/b", "a:b"])
def test_what_is_no_event_type(event_type: str) -> None:
    with pytest.raises(PatternError) as raised:
        patterns.validate_event_type(event_type)
    assert raised.value.code == "event_type_invalid"


def by_the_words(pattern: str, event_type: str) -> bool:
    """The rules read a second time, without candidates."""
    if pattern == "*":
        return not event_type.startswith("hookline.")
    if pattern.endswith(".*"):
        return event_type.startswith(pattern[:-1]) and len(event_type) >= len(pattern)
    return pattern == event_type


@given(st.one_of(DOTTED, DOTTED.map(lambda text: text + ".*"), st.just("*")), st.one_of(DOTTED, TYPE))
def test_matching_is_what_the_words_say(pattern: str, event_type: str) -> None:
    assert patterns.matches(pattern, event_type) == by_the_words(pattern, event_type)


@given(TYPE)
def test_every_valid_candidate_matches_by_the_words(event_type: str) -> None:
    assert event_type in patterns.candidates(event_type)
    assert all(by_the_words(pattern, event_type) for pattern in patterns.candidates(event_type))


def test_no_pattern_matches_nothing() -> None:
    assert not patterns.Matcher([]).matches("order.placed")
    assert repr(patterns.Matcher(["b.*", "a"])) == "Matcher(['a', 'b.*'])"
