"""The store is killed under load, on a quick and on a slow disk (FAULTS 1, row 3); it loses its power (row 4)."""

from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.faults import FAULTS
from tests.support import shims
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim"),
]


@pytest.mark.parametrize(
    ("fault", "sync_ms", "promised"), [("kill", 0, 300), ("kill", 50, 300), ("kill", 1_500, 20), ("power_cut", 50, 300)]
)
def test_no_acknowledged_event_is_lost(tmp_path: Path, fault: str, sync_ms: int, promised: int) -> None:
    plan = Plan((), seconds=3.0, rate=100.0, fail=0.0, dispatchers=1)
    with Campaign(plan, tmp_path) as campaign:
        campaign.store.slow_disk(sync_ms)
        campaign.publish()
        wait_until(lambda: campaign.acknowledged() >= promised, 30, f"{promised} promises")
        campaign.store.kill9()
        campaign.store.slow_disk(0)
        FAULTS[fault](campaign, "store")
        campaign.run_out()
        campaign.drain()
        findings = campaign.audit()
        found = report.of(campaign, findings)
        recount = campaign.system.command("ledger")
    assert findings.faultless, report.table(found)
    assert findings.acknowledged > promised, report.table(found)
    assert recount.returncode == 0, recount.stdout + recount.stderr
