"""Everything fails once in fifteen seconds, and nothing is lost; without fsync the same harness sees losses."""

from pathlib import Path

import pytest

from tests.chaos import report
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.control import careless
from tests.chaos.faults import SHORT, SHORT_SECONDS
from tests.support import shims

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim"),
]


def test_nothing_acknowledged_is_lost_whatever_dies(tmp_path: Path) -> None:
    plan = Plan(SHORT, SHORT_SECONDS, settings={"HOOKLINE_DEADLINE_SECONDS": "3"})
    with Campaign(plan, tmp_path) as campaign:
        campaign.run()
        campaign.drain()
        findings = campaign.audit()
        recount = campaign.system.command("ledger")
        found = report.of(campaign, findings, recount=recount.stdout)
    assert findings.faultless, report.table(found)
    assert findings.acknowledged > 0.9 * plan.publishers * plan.rate * plan.seconds, report.table(found)
    assert recount.returncode == 0, recount.stdout + recount.stderr


def test_the_harness_sees_what_a_careless_store_loses(tmp_path: Path) -> None:
    findings = careless(tmp_path)
    assert findings.lost
    assert not findings.faultless
