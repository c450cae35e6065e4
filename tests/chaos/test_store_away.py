"""The store hangs, or is away for minutes, under load (FAULTS 1, row 16): 503 meanwhile, then everything goes on alone.

Its ten restarts are in test_store_restarted.
"""

import pytest

from tests.chaos import report
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.lengths import length
from tests.chaos.scene import Scene
from tests.support import shims
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the fsync shim"),
]
HANG_SECONDS = 10.0
AWAY_SECONDS = float(length(12, 300))


def promises_and_processes(campaign: Campaign) -> tuple[int, list[int]]:
    """How many events were promised, and which processes run."""
    return campaign.acknowledged(), [part.pid for part in campaign.system.parts.values()]


@pytest.mark.together
@pytest.mark.timeout(int(AWAY_SECONDS) + 120)
@pytest.mark.parametrize(("how", "seconds"), [("hung", HANG_SECONDS), ("away", AWAY_SECONDS)], ids=["hung", "away"])
def test_it_resumes_unaided(scene: Scene, how: str, seconds: float) -> None:
    plan = Plan((), seconds=seconds + 4.0, rate=30.0, publishers=1, fail=0.0, dispatchers=1, patience=60.0)
    with Campaign(plan, scene.directory) as campaign:
        system = campaign.system
        campaign.publish()
        wait_until(lambda: campaign.acknowledged() >= 30, 20, "promises")
        if how == "hung":
            system.pause("store")
        else:
            system.kill9("store")
        wait_until(lambda: system.status("/readyz") == 503, 10, "/readyz says that it is not ready")
        before, processes = promises_and_processes(campaign)
        campaign.pass_time(seconds)
        assert system.status("/livez") == 200
        assert promises_and_processes(campaign) == (before, processes), "a promise without a store"
        if how == "hung":
            system.resume("store")
        else:
            system.start("store")
        system.wait_gateway()
        campaign.run_out()
        campaign.drain()
        findings = campaign.audit()
        found = report.of(campaign, findings)
        recount = system.command("ledger")
        assert promises_and_processes(campaign)[1] == processes
    assert findings.faultless, report.table(found)
    assert findings.acknowledged > before, report.table(found)
    assert recount.returncode == 0, recount.stdout + recount.stderr
