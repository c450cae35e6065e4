"""When the next probe is due."""

import pytest

from dispatcher import probes
from gateway.model.endpoint import Health, LastFailure

MINUTE = 60_000


def test_the_wait_is_doubled_from_five_minutes_to_an_hour() -> None:
    now, waits = 0, []
    for _ in range(9):
        due = probes.due_ms(0, Health(last_failure=LastFailure(now, "http_status")))
        waits.append((due - now) // MINUTE)
        now = due
    assert waits == [5, 5, 10, 20, 40, 60, 60, 60, 60]


@pytest.mark.parametrize("last_ms", [0, 1_000], ids=["no failure is known", "the last one was before"])
def test_the_first_is_due_five_minutes_after_the_endpoint_was_disabled(last_ms: int) -> None:
    last = LastFailure(last_ms, "deadline") if last_ms else None
    assert probes.due_ms(MINUTE, Health(last_failure=last)) == 6 * MINUTE
