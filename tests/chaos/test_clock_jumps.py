"""The clock of the store, or of one dispatcher, jumps by ten minutes or an hour (FAULTS 1, row 12)."""

import pytest

from tests.chaos.lengths import length
from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene
from tests.support import shims
from tests.support.ledger import Received
from tests.support.shifted_clock import ShiftedClock
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the clock shim"),
]
EVENTS = 40
WAIT_SECONDS = 4
EARLIEST = 0.8 * WAIT_SECONDS
"""The wait less its jitter."""
LEASE_SECONDS = 10
RECOVERY_SECONDS = LEASE_SECONDS + 17
ANY_CLOCK = 7_200.0
"""Tolerance of the receivers: what is signed carries the dispatcher's own clock, and it is not what is judged here."""
TEN_MINUTES_ON, AN_HOUR_BACK = 600, -3_600
CASES = {
    "the store an hour back, a dispatcher ten minutes on": (AN_HOUR_BACK, TEN_MINUTES_ON),
    "the store ten minutes on": (TEN_MINUTES_ON, 0),
    "the store an hour back": (AN_HOUR_BACK, 0),
    "a dispatcher ten minutes on": (0, TEN_MINUTES_ON),
    "a dispatcher an hour back": (0, AN_HOUR_BACK),
}
CHOSEN = dict(list(CASES.items())[: length(1, len(CASES))])


@pytest.mark.together
@pytest.mark.parametrize(("of_store", "of_dispatcher"), CHOSEN.values(), ids=CHOSEN.keys())
def test_a_clock_jumps(scene: Scene, of_store: int, of_dispatcher: int) -> None:
    """Retries that wait at the jump are not early; nobody takes over; then one dispatcher dies with what it sends."""
    store_clock, its_clock = ShiftedClock(scene.directory, "store"), ShiftedClock(scene.directory, "dispatcher")
    store = ValkeyServer(environment=store_clock.environment)
    system = scene.start(store=store, dispatchers=2, environments={"dispatcher-0": its_clock.environment})
    sink = scene.sink
    names = register(system, sink, "failing", "held", retry_schedule=[WAIT_SECONDS, 1, 1])
    for name in names.values():
        sink.configure(name, tolerance_seconds=ANY_CLOCK)
    system.wait_balanced()
    owners = system.owners()
    sink.configure("failing", fail_every_second=True)
    events = publish(system, EVENTS)
    system.wait_states({"scheduled": EVENTS // 2, "delivered": EVENTS + EVENTS // 2}, 10)
    store_clock.shift(of_store)
    its_clock.shift(of_dispatcher)
    sink.configure("failing", fail_every_second=False)
    events += publish(system, EVENTS, "later")
    system.wait_drained(30)
    assert early(sink.received()) == []
    assert system.owners() == owners
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert not findings.duplicated, findings.report()
    events += killed_while_sending(system, sink)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert not balances(system)


def early(received: list[Received]) -> list[tuple[str, float]]:
    """(event, seconds) of the second attempts that came before their wait was over, by the receiver's clock."""
    first = {line.pair: line.t for line in received if line.attempt == 1}
    waits = [(line.id, line.t - first[line.pair]) for line in received if line.attempt == 2]
    assert len(waits) == EVENTS // 2
    return [(event, seconds) for event, seconds in waits if seconds < EARLIEST]


def killed_while_sending(system: System, sink: SinkProcess) -> list[str]:
    """Kill a dispatcher in the middle of attempts; the other one has delivered them within lease + 17 s."""
    sink.configure("held", hold=True)
    before = sink.stats()["endpoints"]["held"]
    events = publish(system, EVENTS, "last")
    sink.wait_received(before + EVENTS, 10, "held")
    system.kill9("dispatcher-0")
    sink.configure("held", hold=False)
    wait_until(system.drained, RECOVERY_SECONDS, "recovery within lease + 17 s")
    assert system.owned_by("dispatcher-1") == list(range(system.partitions))
    return events
