"""A receiver that answers when its deadline is almost over (FAULTS 1, row 11): the attempt counts, and is the only one.

The deadline is longer than a lease: nobody may take what its owner is still waiting for.
"""

import pytest

from tests.chaos.lengths import length
from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene

pytestmark = pytest.mark.chaos
DEADLINE_SECONDS = length(12, 15)
A_LITTLE_MS = 500
EVENTS = 40


@pytest.mark.together
def test_no_reclaim_and_no_second_attempt(scene: Scene) -> None:
    system, sink = scene.start(dispatchers=2, settings={"HOOKLINE_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}), scene.sink
    names = register(system, sink, "late", retry_schedule=[1, 1])
    sink.configure("late", latency_ms=DEADLINE_SECONDS * 1_000.0 - A_LITTLE_MS)
    system.wait_balanced()
    owners = system.owners()
    events = publish(system, EVENTS)
    sink.wait_received(EVENTS, 10)
    system.wait_drained(DEADLINE_SECONDS + 5)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert [line.attempt for line in sink.received()] == [1] * EVENTS
    assert system.owners() == owners
    assert not balances(system)
