"""Ids are addresses: they round-trip, sort by time, and cannot be confused with a caller's own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids

MS = st.integers(0, 2**48 - 1)
U32 = st.integers(0, 2**32 - 1)
U16 = st.integers(0, 2**16 - 1)
ADDRESSES = st.builds(ids.Address, MS, U32, U16)
KEYS = st.builds(ids.DeliveryKey, MS, U32, U16, U32, U32)


@given(ADDRESSES)
def test_an_event_id_is_its_address(address: ids.Address) -> None:
    assert ids.parse_event_id(address.event_id) == address
    assert ids.parse_stream_id(address.stream_id) == address[:2]
    assert ids.parse_stream_id(address.stream_id.encode()) == address[:2]


@given(KEYS)
def test_a_delivery_id_is_its_key(key: ids.DeliveryKey) -> None:
    assert ids.parse_delivery_id(key.delivery_id) == key
    assert ids.unpack_key(key.packed(), key.partition) == key
    assert len(key.packed()) == 18


@given(KEYS, KEYS)
def test_packed_keys_of_a_partition_sort_as_keys_do(one: ids.DeliveryKey, other: ids.DeliveryKey) -> None:
    other = other._replace(partition=one.partition)
    assert (one.packed() < other.packed()) == (one < other)


@given(ADDRESSES, ADDRESSES)
def test_event_ids_sort_by_time(one: ids.Address, other: ids.Address) -> None:
    assert (one.event_id < other.event_id) == (one < other)


@pytest.mark.parametrize("text", ["", "evt_", "evt_" + "g" * 24, "evt_" + "0" * 23, "evt_" + "A" * 24, "x"])
def test_other_texts_are_no_event_ids(text: str) -> None:
    assert ids.parse_event_id(text) is None
    assert ids.parse_delivery_id(text) is None


@pytest.mark.parametrize("text", ["order-1", "a:b_C-9", "x" * 100])
def test_own_ids(text: str) -> None:
    assert ids.is_own_id(text)


@pytest.mark.parametrize("text", ["", "a.b", "x" * 101, "a b", "é", "evt_1", "ep_1", "sub_1", "dlv_1", "rpl_1", "op:1"])
def test_ids_that_nobody_may_use(text: str) -> None:
    assert not ids.is_own_id(text)


def test_made_ids_sort_by_time_and_differ() -> None:
    made = [ids.make("ep", ms) for ms in (1, 1, 2)]
    assert made[0] != made[1]
    assert max(made[:2]) < made[2]
    assert not ids.is_own_id(made[0])


@given(st.text(), st.integers(1, 256))
def test_partitions_are_stable_and_in_range(text: str, count: int) -> None:
    partition = ids.partition_of(text, count)
    assert 0 <= partition < count
    assert ids.partition_of(text, count) == partition
