"""What an expression reads and repeats, and which expressions have no bound."""

import pytest

from gateway.filters import lexing, shape
from gateway.filters.errors import FilterError


def read(text: str) -> shape.Shape:
    return shape.read(lexing.read(text))


@pytest.mark.parametrize(
    ("text", "needs"),
    [
        ("data.amount > 1", {("data", "amount")}),
        ("data.a.b == data.a.c", {("data", "a", "b"), ("data", "a", "c")}),
        ("data.a.b == data.a", {("data", "a")}),
        ("data['a'].b", {("data", "a", "b")}),
        ('data["""a"""].b', {("data", "a", "b")}),
        (r"data['\x61'].b", {("data",)}),
        ("data[subject].b", {("data",), ("subject",)}),
        ("data.items[0].sku", {("data", "items")}),
        ("data.items.exists(i, i.sku == id)", {("data", "items"), ("id",)}),
        ("size(data)", {("data",)}),
        ("has(data.a.b)", {("data", "a", "b")}),
        ("data.text.contains(type)", {("data", "text"), ("type",)}),
        ("1 == 1", set()),
        ("{'id': 1}.id == 1", set()),
    ],
)
def test_what_is_read_is_known(text: str, needs: set[shape.Path]) -> None:
    assert read(text).needs == needs


@pytest.mark.parametrize(
    ("text", "depth", "expected"),
    [
        ("data.a + data.b", 0, {"reads": 4, "joins": 1}),
        ("data.l.all(x, x.a == data.b)", 1, {"own_reads": 3, "reads": 2, "texts": 1}),
        ("data.l.all(x, x.l.all(y, y == x.a))", 2, {"own_reads": 2, "outer_reads": 2}),
        ("data.l.all(x, x.l.all(y, true))", 1, {"crosses": 0}),
        ("data.l.all(x, data.l.all(y, true))", 1, {"crosses": 1}),
        ("data.l.all(x, [1, 2].all(y, true))", 1, {"crosses": 1}),
        ("size(data.l.map(x, x)) > size(data.l.filter(x, true))", 0, {"makers": 2, "texts": 3}),
        ("(data.a).b[0].c == 1", 0, {"reads": 5}),
        ("type(data.a) == string", 0, {"texts": 2}),
    ],
)
def test_what_is_repeated_is_counted(text: str, depth: int, expected: dict[str, int]) -> None:
    counted = read(text).depths[depth]._asdict()
    assert {name: counted[name] for name in expected} == expected


def test_a_list_that_is_written_out_has_its_length() -> None:
    assert read("[1, 2, 3].all(x, true)").written == 3
    assert read("data.a[0] == 1").written == 1


@pytest.mark.parametrize(
    "text",
    [
        "data.l.all(x, true)", "data['l'].all(x, true)", "data.a[0].l.all(x, true)", "['a'].all(x, true)",
        "data.l.filter(x, true).filter(x, true).all(x, true)", "data.l.map(x, x.a.b).all(x, true)",
        "data.l.all(x, x.all(y, true))", "data.l.all(x, true) && data.l.all(x, true)",
    ],
)  # fmt: skip
def test_loops_over_what_the_event_has_are_taken(text: str) -> None:
    read(text)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("data.l.map(x, x + x).all(x, true)", 19),
        ("(data.l + data.l).all(x, true)", 16),
        ("[data.l].all(x, true)", 1),
        ("[1 + 1].all(x, true)", 3),
        ("'a'.all(x, true)", 0),
        ("string(1).all(x, true)", 8),
        ("{'a': 1}.all(x, true)", 7),
        ("data.a.all(x, data.b.all(y, data.c.all(z, true)))", 38),
        ("data.l.all(id, true)", 11),
        ("subject.matches(data.a)", 8),
        (r"subject.matches('\\w{100}')", 16),
    ],
)
def test_what_has_no_bound_is_refused(text: str, at: int) -> None:
    with pytest.raises(FilterError) as refused:
        read(text)
    assert (refused.value.code, refused.value.position) == ("filter_too_complex", at)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("amount > 1", "filter_unknown_name"),
        ("data.l.all(x, true) && x", "filter_unknown_name"),
        ("Point{x: 1} == 1", "filter_unknown_name"),
        ("nosuch(1)", "filter_unknown_function"),
        ("id.lower()", "filter_unknown_function"),
        ("matches(id, 'a')", "filter_unknown_function"),
        (".data.a", "filter_syntax"),
        ("data.l.all(x)", "filter_syntax"),
        ("data.l.all(x.y, true)", "filter_syntax"),
        ("id.matches('(')", "filter_syntax"),
        ("id.matches(b'a')", "filter_syntax"),
    ],
)
def test_what_an_event_or_the_language_does_not_have_is_refused(text: str, code: str) -> None:
    with pytest.raises(FilterError) as refused:
        read(text)
    assert refused.value.code == code


def test_too_many_words_are_refused() -> None:
    with pytest.raises(FilterError, match="1000 words"):
        read("1+" * 500 + "1")
