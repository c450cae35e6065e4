"""Words of CEL: what is a text, a name, a bracket's partner; and that nothing else is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.filters import lexing, library
from gateway.filters.errors import FilterError


def kinds(text: str) -> list[tuple[str, str]]:
    return [(word.kind, word.text) for word in lexing.read(text).words]


@pytest.mark.parametrize(
    "literal",
    [
        "'a'", '"a"', "'it\\'s'", '"\\""', "'''a\n'b'''", '"""a"b"""', r"r'\'", r'R"\d"', "b'a'", r"rb'\x'", r"bR'\x'",
        "''", '""""""', "'// no comment'",
    ],
)  # fmt: skip
def test_a_text_is_one_word(literal: str) -> None:
    assert kinds(f"{literal} == x") == [("string", literal), ("sign", "=="), ("name", "x")]


@pytest.mark.parametrize("number", ["0", "12", "1.5", ".5", "1e3", "1.5e-3", "0x1F", "7u", "0xFFu"])
def test_a_number_is_one_word(number: str) -> None:
    assert kinds(f"{number}<x") == [("number", number), ("sign", "<"), ("name", "x")]


def test_space_and_comments_are_left_out() -> None:
    assert kinds("a //  '(\n\t&& true") == [("name", "a"), ("sign", "&&"), ("literal", "true")]
    assert [word.at for word in lexing.read("a  b").words] == [0, 3]


def test_brackets_know_their_partners() -> None:
    words = lexing.read("a[(1)] + {}")
    assert {words.text(a) + words.text(b) for a, b in words.mates.items()} == {"()", ")(", "[]", "][", "{}", "}{"}
    assert (words.text(-1), words.kind(99)) == ("", "")


@pytest.mark.parametrize(
    ("text", "at"),
    [("a & b", 2), ("a = b", 2), ("'a", 0), ("é", 0), ("a)", 1), ("(a]", 2), ("x(a", 1), ("`a`", 0), ("a;b", 1)],
)
def test_what_is_no_word_is_refused(text: str, at: int) -> None:
    with pytest.raises(FilterError) as refused:
        lexing.read(text)
    assert (refused.value.code, refused.value.position) == ("filter_syntax", at)


@given(st.text(st.sampled_from("ab'\"\\rRbB \n(),+"), max_size=12))
def test_what_the_evaluator_takes_for_one_text_is_one_word(text: str) -> None:
    """Were a text longer here than there, the rest of the expression would go without bounds."""
    try:
        library.compile_text(f"[{text}, 1][1] == 1")
    except FilterError:
        return
    try:
        words = lexing.read(f"[{text}, 1][1] == 1")
    except FilterError:
        return
    rebuilt = "".join(word.text for word in words.words)
    assert rebuilt.endswith(",1][1]==1")
