"""A dispatcher is stopped past its lease and goes on (FAULTS 1, row 10), or is asked to end under load (row 20)."""

from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene
from tests.support import shims
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
EVENTS = 40
DEADLINE_SECONDS = 15


@pytest.mark.together
def test_stopped_past_its_lease_it_settles_and_starts_nothing(scene: Scene) -> None:
    system, sink = scene.start(dispatchers=2), scene.sink
    names = register(system, sink, "held")
    system.wait_balanced()
    sink.configure("held", hold=True)
    events = publish(system, EVENTS)
    sink.wait_received(EVENTS, 10)
    stale = system.owned_by("dispatcher-0")
    system.pause("dispatcher-0")
    sink.configure("held", hold=False)
    wait_until(lambda: len(system.owned_by("dispatcher-1")) == system.partitions, 30, "the take-over")
    events += publish(system, EVENTS, "later")
    system.wait_drained(30)
    before = sink.stats()["received"]
    system.resume("dispatcher-0")
    wait_until(lambda: all(f'"partition": {n}' in _lost(system.log("dispatcher-0")) for n in stale), 10, "its losses")
    system.wait_balanced()
    assert sink.stats()["received"] == before
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert findings.received <= 3 * EVENTS
    assert not balances(system)


def _lost(log: str) -> str:
    return "\n".join(line for line in log.splitlines() if "partition.lost" in line)


@pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim")
def test_asked_to_end_under_load_nothing_is_lost_or_repeated(tmp_path: Path) -> None:
    plan = Plan((), seconds=6.0, rate=150.0, fail=0.0)
    with Campaign(plan, tmp_path) as campaign:
        system = campaign.system
        for name in ("payments", "shipping", "archive"):
            campaign.sink.configure(name, latency_ms=30.0)
        system.wait_balanced()
        campaign.publish()
        campaign.sink.wait_received(300, 20)
        seconds = system.stop("dispatcher-0")
        campaign.sink.wait_received(900, 20)
        gateway_seconds = system.stop("gateway")
        system.start("gateway")
        campaign.run_out()
        campaign.drain()
        findings = campaign.audit()
        found = report.of(campaign, findings)
        recount = campaign.system.command("ledger")
    assert findings.faultless, report.table(found)
    assert findings.duplicated == 0, report.table(found)
    assert seconds < DEADLINE_SECONDS + 2
    assert gateway_seconds < DEADLINE_SECONDS + 2
    assert recount.returncode == 0, recount.stdout + recount.stderr
