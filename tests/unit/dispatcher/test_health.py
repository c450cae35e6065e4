"""What attempts say of an endpoint between two reports: failures at once, success quietly."""

from typing import cast

from dispatcher.delivery import Delivery
from dispatcher.health import QUIET_SECONDS, HealthNotes
from dispatcher.partition import Partition
from dispatcher.sender import Answered, Failed
from gateway import ids
from gateway.model.event import Event
from tests.support.clock import HandClock

NAMES = {7: "e7", 8: "e8"}
GOOD = Answered(200, [], b"", False, "203.0.113.1", 1.0)
BAD = Answered(500, [], b"", False, "203.0.113.1", 1.0)


def delivery(endpoint: int = 7) -> Delivery:
    key = ids.DeliveryKey(1, 2, 3, endpoint)
    return Delivery(key, Event(key.address, "e", "/s", "t", b""), cast("Partition", None))


def test_failures_are_counted_since_the_last_success() -> None:
    notes = HealthNotes(HandClock())
    for at, good in enumerate([False, True, False, False], 10):
        notes.note(delivery(), GOOD if good else BAD, good, at)
    (report,) = notes.take(NAMES)
    assert (report.number, report.endpoint_id, report.successes) == (7, "e7", 1)
    assert (report.failures_since_success, report.first_failure_ms, report.last_success_ms) == (2, 12, 11)
    assert report.last_failure is not None
    assert (report.last_failure.at_ms, report.last_failure.error, report.last_failure.status) == (
        13,
        "http_status",
        500,
    )
    assert report.last_failure.delivery == delivery().key.delivery_id
    assert notes.take(NAMES) == []


def test_success_after_success_is_told_only_now_and_then() -> None:
    clock = HandClock()
    notes = HealthNotes(clock)
    notes.note(delivery(), GOOD, True, 1)
    assert len(notes.take(NAMES)) == 1
    notes.note(delivery(), GOOD, True, 2)
    assert notes.take(NAMES) == []
    clock.now += QUIET_SECONDS + 1
    (report,) = notes.take(NAMES)
    assert report.last_success_ms == 2


def test_a_failure_and_the_success_after_it_are_told_at_once() -> None:
    notes = HealthNotes(HandClock())
    notes.note(delivery(), GOOD, True, 1)
    notes.take(NAMES)
    notes.note(delivery(), Failed("reset", "", "", 1.0), False, 2)
    (report,) = notes.take(NAMES)
    assert report.last_failure is not None
    assert (report.last_failure.error, report.last_failure.status) == ("reset", None)
    notes.note(delivery(), GOOD, True, 3)
    assert [r.failures_since_success for r in notes.take(NAMES)] == [0]


def test_endpoints_that_are_gone_are_not_reported() -> None:
    notes = HealthNotes(HandClock())
    notes.note(delivery(9), BAD, False, 1)
    assert notes.numbers == [9]
    assert notes.take(NAMES) == []
    assert notes.numbers == []
