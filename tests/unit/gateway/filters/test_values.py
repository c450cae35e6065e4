"""What filters see of an event: only what they read, parsed and converted once."""

import msgspec
import pytest

from gateway.filters import library
from gateway.filters.errors import FilterFailed
from gateway.filters.values import EventValues, Facts
from tests.unit.gateway.filters.samples import event, values


def needs(*paths: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(path.split(".")) for path in paths)


def test_only_what_is_read_is_converted() -> None:
    context, facts = values({"a": {"b": "xyz", "c": [1] * 9_000}, "d": 1}).of(needs("data.a.b", "data.nothing"))
    assert library.evaluate(library.compile_text("data == {'a': {'b': 'xyz'}}"), context) is True
    assert facts == Facts(3, 1, 5)


def test_what_is_no_object_is_taken_as_it_is() -> None:
    context, _ = values([1, 2]).of(needs("data.a.b"))
    assert library.evaluate(library.compile_text("data == [1, 2]"), context) is True


def test_facts_count_values_items_and_characters() -> None:
    assert values({"a": ["xy", {"key": None}], "b": {}}, subject="eu").of(needs("data", "subject"))[1] == Facts(7, 2, 9)


def test_filters_that_read_the_same_share_it() -> None:
    seen = values({"a": 1})
    assert seen.of(needs("data.a"))[0] is seen.of(needs("data.a"))[0]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 2_000])
def test_data_that_is_not_json_fails_for_filters_that_read_it(data: bytes) -> None:
    seen = EventValues(msgspec.structs.replace(event(), data=data))
    with pytest.raises(FilterFailed, match="not JSON"):
        seen.of(needs("data.a"))
    assert seen.of(needs("type"))[1].characters == len("order.placed")


def test_an_answer_is_asked_for_once() -> None:
    asked = []

    def judge(seen: EventValues) -> bool:
        asked.append(seen)
        return True

    seen = values()
    assert seen.answer("a", judge)
    assert seen.answer("a", judge)
    assert asked == [seen]
