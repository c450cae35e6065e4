import json
from typing import Any

from gateway.model.endpoint import LastFailure
from gateway.store import operational

ENTRY: dict[str, Any] = {
    "endpoint": "ep_1",
    "number": 7,
    "subscriber": "acme",
    "reason": "gone",
    "at_ms": 1_700_000_000_000,
    "count": 1,
    "consecutive_failures": 3,
    "failing_since_ms": 1_690_000_000_000,
    "last_success_ms": 1_680_000_000_000,
    "last_failure": '{"at_ms":1,"error":"http_status","status":410,"delivery":"dlv_1"}',
}


def decode(**changed: Any) -> operational.EndpointDisabled:
    return operational.decode(b"7:endpoint_disabled", json.dumps({**ENTRY, **changed}).encode())


def test_an_entry_tells_what_happened_and_which_delivery_was_the_reason() -> None:
    entry = decode()
    assert (entry.endpoint, entry.subscriber, entry.reason, entry.at_ms) == ("ep_1", "acme", "gone", 1_700_000_000_000)
    assert entry.last_failure == LastFailure(1, "http_status", 410, "dlv_1")
    assert entry.delivery == "dlv_1"
    assert entry.field == "7:endpoint_disabled"


def test_zero_and_empty_stand_for_none() -> None:
    entry = decode(failing_since_ms=0, last_success_ms=0, last_failure="")
    assert (entry.failing_since_ms, entry.last_success_ms, entry.last_failure, entry.delivery) == (None,) * 4


def test_the_event_id_is_the_same_for_the_same_entry_only_and_has_no_dot() -> None:
    assert decode().event_id == decode().event_id == "op:dlv_1:endpoint_disabled:1700000000000"
    assert decode(last_failure="").event_id == "op:7:endpoint_disabled:1700000000000"
    assert decode(at_ms=1_700_000_000_001).event_id != decode().event_id
    assert "." not in decode().event_id
