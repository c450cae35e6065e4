"""A store that starts again has forgotten every script; what follows must not notice."""

import pytest

from tests.chaos.conftest import Start
from tests.chaos.receivers import balances, judge, publish, register
from tests.support.sink_process import SinkProcess

pytestmark = pytest.mark.chaos


@pytest.mark.parametrize("restarted", [False, True], ids=["first start", "restarted"])
def test_the_first_large_batch_is_accepted_as_a_whole(start: Start, sink: SinkProcess, *, restarted: bool) -> None:
    """Ids with ordering keys need a claim each; all of them find their script unknown at once."""
    system = start()
    names = register(system, sink, "pay")
    if restarted:
        system.restart("store")
        system.wait_gateway()
    numbers = range(1_000)
    events = [{"type": "chaos.event", "id": f"b-{n}", "subject": f"s-{n}", "data": n} for n in numbers]
    result = system.api.publish_batch(events)
    refused = [item for item in result["results"] if item["status"] != 202]
    assert not refused, refused[0]
    system.wait_drained(20)
    findings = judge(system, sink, names, [str(event["id"]) for event in events])
    assert findings.faultless, findings.report()
    assert not balances(system)


def test_ten_restarts_under_load_lose_nothing(start: Start, sink: SinkProcess) -> None:
    """FAULTS 1, row 16, without its waiting: everything resumes unaided."""
    system = start()
    names = register(system, sink, "pay")
    events: list[str] = []
    for number in range(10):
        events += publish(system, 50, f"r{number}")
        system.restart("store")
        system.wait_gateway()
    system.wait_drained(30)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert not balances(system)
