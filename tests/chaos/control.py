"""The negative control: a harness that finds no losses must be one that would see them."""

from pathlib import Path

from tests.chaos.campaign import Campaign, Plan
from tests.support.ledger import Findings
from tests.support.waiting import wait_until

PROMISES = 300


def careless(directory: Path) -> Findings:
    """Fsync once a second on a slow disk, the guard told to accept it, and a power cut; what was lost."""
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
    with Campaign(plan, directory) as campaign:
        campaign.store.slow_disk(3_000)
        campaign.publish()
        wait_until(lambda: campaign.acknowledged() > PROMISES, 20, f"{PROMISES} promises")
        campaign.store.power_cut()
        campaign.system.start("store")
        campaign.run_out()
        campaign.drain()
        return campaign.audit()
