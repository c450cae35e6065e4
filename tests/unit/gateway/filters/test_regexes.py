"""What a regular expression costs is never less than what the evaluator needs for it."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.filters import library, regexes
from gateway.filters.errors import FilterError, FilterFailed

SMALL = [
    "^eu/",
    "a.*b",
    "[a-z]{100}",
    r"^\d{4}-\d{2}-\d{2}$",
    r"(\w+\.)+\w+",
    "(?i)order",
    "[]a]",
    "[^]a]",
    r"[\]\w]",
    "",
]
LARGE = [
    r"\w{50}",
    r"[a^]\w{50}",
    r"(\w{5}){5}",
    r"\pL{500}",
    r"((\d{20}){20})",
    r"(?i)[ab]*a[ab]{600}c",
    r"[ -\x{10FFFF}]{400}",
    r"[[a]\w]{9}",
]


@pytest.mark.parametrize("pattern", SMALL)
def test_what_is_small_is_taken(pattern: str) -> None:
    assert 0 < regexes.cost(pattern, 0).compiling <= regexes.MAXIMUM_MICROSECONDS


@pytest.mark.parametrize("pattern", [*LARGE, "a" * 257, "(?x)a", "(?ix: a)"])
def test_what_is_large_is_refused(pattern: str) -> None:
    with pytest.raises(FilterError) as refused:
        regexes.cost(pattern, 7)
    assert (refused.value.code, refused.value.position) == ("filter_too_complex", 7)


def test_a_count_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(FilterError, match="a count in a regular expression"):
        regexes.cost("a{x}", 0)


@pytest.mark.parametrize("plain", ["eu/", "^eu/", "a-b_c$", r"\.json$"])
def test_a_plain_text_costs_little_per_character(plain: str) -> None:
    assert regexes.cost(plain, 0).character < 0.01 < regexes.cost(plain + ".*", 0).character


PIECES = st.sampled_from([
    r"\w", r"\d", r"\s", r"\pL", "a", ".", "[a-z]", "[^a]", r"[\w-]", "[]x]", "[a[b]]", "(", ")", "|", "*", "+", "?",
    "{3}", "{2,9}", "{30}", "(?:", "(?i)", "[a^]", "[^]]", r"\{", r"\[", "$", "^",
])  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=12))
def test_no_pattern_takes_much_longer_than_its_cost(pieces: list[str]) -> None:
    pattern = "".join(pieces)
    try:
        cost = regexes.cost(pattern, 0)
    except FilterError:
        return
    program = library.compile_text(f"r'''x'''.matches(r'''{pattern}''')")
    begun = time.thread_time()
    try:
        library.evaluate(program, library.context({}))
    except FilterFailed:
        return
    assert time.thread_time() - begun < cost.compiling * 10e-6 + 0.005
