from hypothesis import given
from hypothesis import strategies as st

from dispatcher.assignment import assign

members = st.sets(st.text(min_size=1, max_size=20), min_size=1, max_size=12)
counts = st.integers(min_value=1, max_value=64)


def loads(owners: dict[int, str], names: set[str]) -> list[int]:
    return [list(owners.values()).count(name) for name in names]


@given(members, counts)
def test_every_partition_has_an_owner_and_loads_differ_by_at_most_one(names: set[str], partitions: int) -> None:
    owners = assign(names, partitions)
    assert list(owners) == list(range(partitions))
    assert set(owners.values()) <= names
    assert max(loads(owners, names)) - min(loads(owners, names)) <= 1


@given(st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=8, unique=True), counts)
def test_every_member_computes_the_same_whatever_the_order(names: list[str], partitions: int) -> None:
    assert assign(names, partitions) == assign(list(reversed(names)), partitions)


@given(members)
def test_few_partitions_move_when_one_leaves(names: set[str]) -> None:
    before = assign(names, 64)
    after = assign({*names, "one more"}, 64)
    moved = sum(before[number] != after[number] for number in range(64))
    assert moved <= 2 * -(-64 // (len(names) + 1)) + len(names)


def test_nobody_owns_nothing() -> None:
    assert assign((), 4) == {}
