"""The store is killed under load, on a quick and on a slow disk (FAULTS 1, row 3); it loses its power (row 4)."""

from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, Plan, table
from tests.chaos.faults import Step
from tests.support import power

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(power.compiler() is None, reason="needs a C compiler for the fsync shim"),
]


@pytest.mark.parametrize(("fault", "sync_ms"), [("kill", 0), ("kill", 50), ("kill", 1_500), ("power_cut", 50)], ids=str)
def test_no_acknowledged_event_is_lost(tmp_path: Path, fault: str, sync_ms: int) -> None:
    plan = Plan((Step(2.0, fault, "store"),), seconds=4.0, rate=150.0, dispatchers=1)
    with Campaign(plan, tmp_path) as campaign:
        campaign.store.slow_disk(sync_ms)
        campaign.run()
        campaign.store.slow_disk(0)
        campaign.drain()
        findings = campaign.audit()
        report = campaign.report(findings)
        recount = campaign.system.command("ledger")
    assert findings.faultless, table(report)
    assert findings.acknowledged > 100, table(report)
    assert recount.returncode == 0, recount.stdout + recount.stderr
