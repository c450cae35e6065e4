import msgspec
import pytest

from gateway import ids
from gateway.api import event_types as types
from gateway.model.event import Event, NewEvent

ADDRESS = ids.Address(1_764_000_000_007, 3, 2)
NEW = NewEvent("/keys/shop", "order.placed", b'{"n": 1.0000000000000000000001 }', subject="order/1")
EVENT = Event(ADDRESS, "order-1", NEW.source, NEW.type, NEW.data, NEW.subject, digest=NEW.digest())


@pytest.mark.parametrize(("matched", "state"), [(None, "unread"), (0, "unmatched"), (1, "fanned"), (10_000, "fanned")])
def test_the_state_follows_from_how_many_matched(matched: int | None, state: str) -> None:
    shown = types.fields_of(EVENT, 32, matched)
    assert (shown["state"], shown["matched"]) == (state, matched)


def test_absent_attributes_are_null() -> None:
    assert types.fields_of(EVENT, 32, 1) == {
        "id": "order-1",
        "type": "order.placed",
        "source": "/keys/shop",
        "subject": "order/1",
        "time": None,
        "partitionkey": None,
        "subscriber": None,
        "accepted_at": "2025-11-24T16:00:00.007Z",
        "data_bytes": 32,
        "state": "fanned",
        "matched": 1,
    }


def test_a_payload_is_shown_byte_for_byte_and_only_when_asked_for() -> None:
    listed = types.ListedEvent(**types.fields_of(EVENT, 32, 1))
    assert b'"data"' not in msgspec.json.encode(listed)
    listed.data = types.data_of(EVENT)
    assert msgspec.json.encode(listed).endswith(b',"data":{"n": 1.0000000000000000000001 }}')


def test_changed_bytes_are_not_shown() -> None:
    assert types.data_of(msgspec.structs.replace(EVENT, data=b'{"n": broken')) == types.NO_DATA
