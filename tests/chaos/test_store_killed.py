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


@pytest.mark.parametrize(
    ("fault", "sync_ms", "rate"),
    [("kill", 0, 150.0), ("kill", 50, 150.0), ("kill", 1_500, 10.0), ("power_cut", 50, 150.0)],
)
def test_no_acknowledged_event_is_lost(tmp_path: Path, fault: str, sync_ms: int, rate: float) -> None:
    plan = Plan((Step(2.0, fault, "store"),), seconds=4.0, rate=rate, dispatchers=1)
    with Campaign(plan, tmp_path) as campaign:
        campaign.store.slow_disk(sync_ms)
        campaign.run()
        campaign.store.slow_disk(0)
        campaign.drain()
        findings = campaign.audit()
        report = campaign.report(findings)
        recount = campaign.system.command("ledger")
    assert findings.faultless, table(report)
    assert findings.acknowledged > 4 * rate, table(report)
    assert recount.returncode == 0, recount.stdout + recount.stderr
