"""The order of lists, whatever was added and taken out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import registry_mirror

steps = st.lists(st.tuples(st.booleans(), st.integers(0, 30)), max_size=60)


@pytest.mark.parametrize("row", [2, 3, 8])
@given(steps=steps, after=st.none() | st.integers(-1, 31))
def test_values_come_in_order_from_any_place(row: int, steps: list[tuple[bool, int]], after: int | None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry_mirror, "ROW", row)
        values: registry_mirror._Sorted[int] = registry_mirror._Sorted()
        expected: set[int] = set()
        for adding, value in steps:
            if not adding:
                values.discard(value)
                expected.discard(value)
            elif value not in expected:
                values.add(value)
                expected.add(value)
        above = [value for value in sorted(expected) if after is None or value > after]
        below = [value for value in sorted(expected, reverse=True) if after is None or value < after]
        assert list(values.beyond(after, descending=False)) == above
        assert list(values.beyond(after, descending=True)) == below


def test_it_begins_with_what_is_there() -> None:
    values = registry_mirror._Sorted([3, 1, 2])
    assert list(values.beyond(None, descending=False)) == [1, 2, 3]
