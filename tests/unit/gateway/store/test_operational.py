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
    entry = operational.decode(b"7:endpoint_disabled", json.dumps({**ENTRY, **changed}).encode())
    assert isinstance(entry, operational.EndpointDisabled)
    return entry


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


def test_a_warning_is_one_event_for_each_reason_and_period() -> None:
    warning = {name: ENTRY[name] for name in ENTRY if name not in ("count", "last_success_ms")}
    warning |= {"reason": "half_time", "disables_at_ms": 1_700_000_000_001}
    entry = operational.decode(b"7:endpoint_failing:half_time:1690000000000", json.dumps(warning).encode())
    assert isinstance(entry, operational.EndpointFailing)
    assert (entry.reason, entry.disables_at_ms, entry.delivery) == ("half_time", 1_700_000_000_001, "dlv_1")
    assert entry.event_id == "op:dlv_1:endpoint_failing:half_time:1690000000000"


def test_an_endpoint_that_is_back_is_one_event_for_each_time_it_was_disabled() -> None:
    back = {name: ENTRY[name] for name in ("endpoint", "number", "subscriber", "at_ms")}
    back |= {"disabled_ms": 5, "failing_since_ms": 0, "delivery": "dlv_2"}
    entry = operational.decode(b"7:endpoint_enabled:5", json.dumps(back).encode())
    assert isinstance(entry, operational.EndpointEnabled)
    assert (entry.failing_since_ms, entry.event_id) == (None, "op:dlv_2:endpoint_enabled:5")
    assert {kind.event_type for kind in (operational.EndpointDisabled, operational.EndpointFailing, type(entry))} == {
        "hookline.endpoint.disabled",
        "hookline.endpoint.failing",
        "hookline.endpoint.enabled",
    }
