"""The evaluator: what it raises becomes one kind of error, with the place and a reason."""

import sys

import pytest

from gateway.filters import library
from gateway.filters.errors import FilterError, FilterFailed


def test_the_evaluator_comes_without_its_command_line() -> None:
    library.compile_text("true")
    assert "cel.cel" in sys.modules
    assert "cel.cli" not in sys.modules


def test_a_program_takes_values_that_were_made_once() -> None:
    values = library.context({"a": 1, "b": [1.5, None, {"c": "d"}]})
    assert library.evaluate(library.compile_text("a == 1"), values) is True
    assert library.evaluate(library.compile_text("b[2].c"), values) == "d"


@pytest.mark.parametrize(
    ("text", "position"),
    [("a ||", 4), ("a\n|| b ||", 9), ("a..b", 2), ("has(a)", 4), ("if", 0), ("é ||", 0)],
)
def test_a_fault_has_its_place(text: str, position: int) -> None:
    with pytest.raises(FilterError) as refused:
        library.compile_text(text)
    assert refused.value.code == "filter_syntax"
    assert refused.value.position == position


@pytest.mark.parametrize("text", ["[1][3]", "{'a': 1}.b", "1 / 0", "'a' + 1", "x", "timestamp('?')", "1 << 3 == 8"])
def test_whatever_goes_wrong_is_one_line(text: str) -> None:
    with pytest.raises((FilterFailed, FilterError)) as failed:
        library.evaluate(library.compile_text(text), library.context({}))
    assert 0 < len(str(failed.value)) <= 250
    assert "\n" not in str(failed.value)


def test_a_whole_number_beyond_64_bits_is_a_double_or_fails() -> None:
    assert library.evaluate(library.compile_text("a > 5 && type(a) == double"), library.context({"a": 10**30})) is True
    with pytest.raises(FilterFailed, match="a value that CEL does not have"):
        library.context({"a": 10**400})


def test_literals_are_read_as_the_evaluator_does() -> None:
    assert library.text_of(r"'a\n'") == "a\n"
    assert library.text_of(r"r'a\n'") == r"a\n"
    assert library.text_of("b'a'") is None
    assert library.regex_fault("'a+'") is None
    assert library.regex_fault("'('") == "unclosed group"
