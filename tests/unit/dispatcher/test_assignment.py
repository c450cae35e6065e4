"""Assignment: even, complete, the same for everybody, and few partitions move."""

from hypothesis import given
from hypothesis import strategies as st

from dispatcher.assignment import assign

MEMBERS = st.sets(st.text(min_size=1, max_size=8), min_size=1, max_size=8)
COUNTS = st.sampled_from([1, 4, 16, 64])


@given(MEMBERS, COUNTS)
def test_every_partition_has_an_owner_and_loads_differ_by_one_at_most(members: set[str], count: int) -> None:
    owners = assign(members, count)
    assert sorted(owners) == list(range(count))
    loads = [list(owners.values()).count(member) for member in members]
    assert max(loads) - min(loads) <= 1


@given(MEMBERS, COUNTS)
def test_the_order_of_the_members_does_not_matter(members: set[str], count: int) -> None:
    assert assign(sorted(members), count) == assign(sorted(members, reverse=True), count)


def test_nobody_owns_nothing() -> None:
    assert assign([], 4) == {}


def test_a_new_member_takes_its_share_and_little_else_moves() -> None:
    before = assign(["a", "b", "c"], 64)
    after = assign(["a", "b", "c", "d"], 64)
    moved = [partition for partition in before if before[partition] != after[partition]]
    assert list(after.values()).count("d") == 16
    assert len(moved) < 32
