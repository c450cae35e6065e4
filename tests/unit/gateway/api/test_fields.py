"""Fields of a body, and merge patches."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from gateway.api import fields


class Thing(msgspec.Struct):
    """A body."""

    kind: Literal["a", "b"]
    count: Annotated[int, Meta(ge=1, le=5)] = 1
    names: Annotated[list[str], Meta(max_length=2)] = msgspec.field(default_factory=lambda: ["x"])
    note: str | None = None
    mood: Annotated[Literal["c", "d"], Meta(description="x")] = "c"


def test_good_fields_with_defaults() -> None:
    found = fields.read({"kind": "a", "note": None}, Thing)
    assert found.errors == []
    assert found.values == {"kind": "a", "count": 1, "names": ["x"], "note": None, "mood": "c"}


def test_every_bad_field_is_named() -> None:
    found = fields.read({"count": 6, "names": ["a", 1], "note": 5, "more": "x"}, Thing, "things[0].")
    assert {error.field: error.reason for error in found.errors} == {
        "things[0].more": "unknown field; known are kind, count, names, note, mood",
        "things[0].kind": "required",
        "things[0].count": "expected `int` <= 5",
        "things[0].names[1]": "expected `str`, got `int`",
        "things[0].note": "expected `str | null`, got `int`",
    }
    assert found.values == {"mood": "c"}


class Whole(msgspec.Struct):
    """A body with a thing inside."""

    thing: Thing | None = None


def test_fields_of_a_struct_inside_are_named_with_their_values() -> None:
    found = fields.read({"thing": {"kind": "c", "count": 9, "more": 1}}, Whole, "w.")
    assert {error.field: error.value for error in found.errors} == {
        "w.thing.kind": "c",
        "w.thing.count": 9,
        "w.thing.more": msgspec.UNSET,
    }
    assert fields.read({"thing": {"kind": "a"}}, Whole) == ({"thing": Thing("a")}, [])
    assert fields.read({"thing": None}, Whole) == ({"thing": None}, [])
    assert [error.field for error in fields.read({"thing": "x"}, Whole).errors] == ["thing"]


def test_a_choice_names_the_choices() -> None:
    first, second = fields.read({"kind": "c", "mood": "a"}, Thing).errors
    assert (first.reason, first.value) == ("expected one of 'a', 'b'", "c")
    assert (second.reason, second.value) == ("expected one of 'c', 'd'", "a")


# RFC 7396, appendix A
VECTORS: list[tuple[Any, Any, Any]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), VECTORS)
def test_merge_patches_of_the_rfc(target: Any, patch: Any, result: Any) -> None:
    assert fields.merge_patch(target, patch) == result


def test_the_target_is_not_changed() -> None:
    target = {"a": {"b": 1}}
    fields.merge_patch(target, {"a": {"b": 2}})
    assert target == {"a": {"b": 1}}


def test_read_only_fields_can_be_left_out() -> None:
    assert fields.without({"a": 1, "b": 2}, {"b"}) == {"a": 1}
