"""An endpoint is created and an event published at once, a thousand times, with two dispatchers (FAULTS 1, row 22)."""

import pytest

from tests.chaos.conftest import Start
from tests.support.sink_process import SinkProcess

pytestmark = pytest.mark.chaos
TIMES = 1_000


@pytest.mark.timeout(180)
def test_no_endpoint_misses_the_event_after_its_creation(start: Start, sink: SinkProcess) -> None:
    system = start(dispatchers=2)
    system.wait_balanced()
    system.api.create_subscriber("newcomers")
    for number in range(TIMES):
        event_type = f"new.t{number}"
        made = system.api.post(
            "/v1/subscribers/newcomers/endpoints", {"url": sink.url(f"n{number}"), "event_types": [event_type]}
        )
        assert made.status_code == 201, made.text
        answer = system.api.publish({"type": event_type, "id": f"e-{number}", "data": number})
        assert answer.status_code == 202, answer.text
    system.wait_drained(30)
    assert {(line.id, line.endpoint) for line in sink.received()} == {(f"e-{n}", f"n{n}") for n in range(TIMES)}
