"""Everything fails once in twenty seconds, and nothing is lost; without fsync the same harness sees losses."""

from pathlib import Path

import pytest

from tests.chaos.campaign import Campaign, Plan, table
from tests.chaos.faults import SHORT
from tests.support import shims
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim"),
]


def test_nothing_acknowledged_is_lost_whatever_dies(tmp_path: Path) -> None:
    plan = Plan(SHORT, seconds=20.0)
    with Campaign(plan, tmp_path) as campaign:
        campaign.run()
        seconds = campaign.drain()
        findings = campaign.audit()
        recount = campaign.system.command("ledger")
        report = campaign.report(findings, drain_seconds=round(seconds, 1), recount=recount.stdout)
    assert findings.faultless, table(report)
    assert findings.acknowledged > 0.9 * plan.publishers * plan.rate * plan.seconds, table(report)
    assert recount.returncode == 0, recount.stdout + recount.stderr


def test_the_harness_sees_what_a_careless_store_loses(tmp_path: Path) -> None:
    """The negative control: fsync once a second on a slow disk, the guard told to accept it, and a power cut."""
    plan = Plan(
        (),
        seconds=3.0,
        rate=150.0,
        fail=0.5,
        dispatchers=1,
        patience=2.0,
        drain_seconds=2.0,
        store_settings={"appendfsync": "everysec"},
        settings={"HOOKLINE_ACCEPT_DATA_LOSS": "1"},
    )
    with Campaign(plan, tmp_path) as campaign:
        campaign.store.slow_disk(3_000)
        campaign.publish()
        wait_until(lambda: campaign.acknowledged() > 300, 20, "300 promises")
        campaign.store.power_cut()
        campaign.system.start("store")
        campaign.run_out()
        campaign.drain()
        findings = campaign.audit()
    assert findings.lost
    assert not findings.faultless
