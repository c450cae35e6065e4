"""Events and their two fields in the log: round trip, identity, and what cannot be an event."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import ids
from gateway.model.event import Event, EventUnreadable, NewEvent, unpack

ADDRESS = ids.Address(1_700_000_000_000, 3, 2)
TEXT = st.text(max_size=20)
NEW = st.builds(NewEvent, TEXT, st.text(min_size=1, max_size=20), st.binary(max_size=50), TEXT, TEXT, TEXT, TEXT, TEXT)


def stored(new: NewEvent) -> Event:
    return unpack(ADDRESS, new.header(), new.data)


@given(NEW)
def test_what_was_packed_is_read(new: NewEvent) -> None:
    event = stored(new)
    assert event.id == (new.id or ADDRESS.event_id)
    for name in ("source", "type", "data", "subject", "partitionkey", "subscriber", "time", "traceparent", "endpoint"):
        assert getattr(event, name) == getattr(new, name)
    assert event.is_intact()
    assert event.accepted_ms == ADDRESS.ms


@given(NEW, st.sampled_from(["source", "type", "subject", "partitionkey", "subscriber", "time"]))
def test_another_attribute_is_another_event(new: NewEvent, field: str) -> None:
    other = msgspec.structs.replace(new, **{field: getattr(new, field) + "x"})
    assert other.digest() != new.digest()
    assert msgspec.structs.replace(new, id="z", traceparent="t").digest() == new.digest()


def test_texts_cannot_run_into_each_other() -> None:
    assert NewEvent("ab", "c", b"").digest() != NewEvent("a", "bc", b"").digest()


@given(NEW, st.binary(min_size=1, max_size=4))
def test_a_changed_payload_is_noticed(new: NewEvent, more: bytes) -> None:
    assert not unpack(ADDRESS, new.header(), new.data + more).is_intact()


@pytest.mark.parametrize(
    "header",
    [None, b"", b"x" * 16, b"x" * 16 + b"\xff", b"x" * 16 + msgspec.msgpack.encode([1]),
     b"x" * 16 + msgspec.msgpack.encode(["a"] * 8), b"x" * 16 + msgspec.msgpack.encode([""] * 9),
     b"x" * 16 + b"\xa1\xff", b"x" * 1_000_000],
)  # fmt: skip
def test_garbage_is_unreadable(header: bytes | None) -> None:
    with pytest.raises(EventUnreadable):
        unpack(ADDRESS, header, b"1")


def test_an_entry_without_data_is_unreadable() -> None:
    with pytest.raises(EventUnreadable):
        unpack(ADDRESS, NewEvent("/s", "t", b"").header(), None)


def test_the_ordering_key_is_the_partition_key_before_the_subject() -> None:
    assert NewEvent("/s", "t", b"", subject="s", partitionkey="p").ordering_key == "p"
    assert NewEvent("/s", "t", b"", subject="s").ordering_key == "s"
    assert NewEvent("/s", "t", b"").ordering_key == ""
