"""A filter as a whole: what it answers, what it refuses, what it cannot answer."""

import pytest

from gateway import filters
from gateway.filters import FilterError, FilterFailed, compiled
from tests.unit.gateway.filters.samples import values

ORDER = {"amount": 150, "price": 1.5, "items": [{"sku": "a", "tags": ["x"]}, {"sku": "b", "tags": ["y", "z"]}]}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('data.amount > 100 && subject.startsWith("eu/")', True),
        ('data.amount > 200 || subject.startsWith("us/")', False),
        ("data.amount == 150.0 && data.price < 2", True),
        ('type == "order.placed" && source == "/shop" && id == "evt"', True),
        ('partitionkey == "" && subscriber == "" && time == ""', True),
        ('datacontenttype == "application/json"', True),
        ("has(data.amount) && !has(data.nothing)", True),
        ('data["amount"] in [1, 150]', True),
        ('"amount" in data', True),
        ('data.items.exists(i, i.sku == "b")', True),
        ('data.items.exists(i, i.tags.exists(t, t == "z"))', True),
        ('data.items.all(i, i.tags.exists(t, t == "z"))', False),
        ('size(data.items.filter(i, i.sku != "a")) == 1', True),
        ('"b" in data.items.map(i, i.sku)', True),
        ('["us/", "eu/"].exists(p, subject.startsWith(p))', True),
        (r'subject.matches("^eu/[0-9]+$")', True),
        ('data.items[1].sku == "b"', True),
        ('timestamp("2026-01-02T00:00:00Z") > timestamp("2026-01-01T00:00:00Z")', True),
        ("data.amount > 100 ? true : false // a comment", True),
        ("1 == 1", True),
        ("data.nothing == 1 || data.amount == 150", True),
    ],
)
def test_it_answers(text: str, answer: bool) -> None:
    assert filters.compile(text).matches(values(ORDER, subject="eu/7")) is answer


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("data.nothing == 1", "no such member: nothing"),
        ("data.amount", "it gives int, not true or false"),
        ("'yes'", "it gives str, not true or false"),
        ('data.amount > "a"', "No such overload"),
        ("data.amount / 0 == 1", "division by zero"),
        ("data.items[7].sku == ''", "index out of bounds"),
        ("timestamp(subject) > timestamp(time)", "timestamp"),
    ],
)
def test_it_cannot_answer_and_says_why(text: str, reason: str) -> None:
    with pytest.raises(FilterFailed, match=reason):
        filters.compile(text).matches(values(ORDER))


@pytest.mark.parametrize(
    ("text", "code", "position"),
    [
        ("", "filter_syntax", 0),
        ("data.amount >", "filter_syntax", 13),
        ("data.amount = 3", "filter_syntax", 12),
        ("true &&\n  (false", "filter_syntax", 10),
        ("true &&\n  amount > 1", "filter_unknown_name", 10),
        ("lower(subject) == ''", "filter_unknown_function", 0),
        ("true || " * 600 + "true", "filter_too_long", None),
        ("1+" * 1_000 + "1 == 1", "filter_too_complex", None),
    ],
)
def test_it_is_refused_with_the_place(text: str, code: str, position: int | None) -> None:
    with pytest.raises(FilterError) as refused:
        filters.compile(text)
    assert (refused.value.code, refused.value.position) == (code, position)


def test_a_text_is_compiled_once() -> None:
    assert filters.compile("data.amount > 100") is filters.compile("data.amount > 100")


def test_what_is_remembered_is_bounded() -> None:
    long = "'" + "x" * 4_000 + "' == '{}'"
    first = filters.compile(long)
    for number in range(compiled.REMEMBERED_CHARACTERS // len(long) + 1):
        filters.compile(long.format(number))
        assert compiled._remembered.characters <= compiled.REMEMBERED_CHARACTERS
    assert filters.compile(first.text) is not first


def test_filters_of_one_text_are_asked_once_for_an_event() -> None:
    seen = values(ORDER)
    failing = filters.compile("data.amount")
    with pytest.raises(FilterFailed) as first:
        failing.matches(seen)
    with pytest.raises(FilterFailed) as second:
        failing.matches(seen)
    assert first.value is second.value


def test_the_deepest_text_that_is_taken_is_evaluated() -> None:
    """Deep expressions are evaluated by recursion in native code: a stack that ends there ends the process."""
    for text in ["1" + "*1" * 499, "!" * 900 + "true", "true?1:" * 90 + "1", "(" * 90 + "1" + ")" * 90]:
        with pytest.raises(FilterFailed, match="it gives"):
            filters.compile(text if text[0] != "!" else text + " ? 1 : 2").matches(values())
