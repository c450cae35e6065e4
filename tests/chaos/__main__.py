"""Campaigns of any length: `python -m tests.chaos --minutes 10 [--seed 7]`, or `--hours 8` with fewer faults.

Faults are drawn from the seed. Writes report.json and report.md into its directory; exits 1 when the promise broke, or
when the negative control, which runs first, lost nothing.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.chaos import report
from tests.chaos.campaign import Campaign, Plan
from tests.chaos.control import careless
from tests.chaos.faults import drawn
from tests.support.ledger import Findings

ROOMY = {"maxmemory": "4gb"}
PATIENT = {"HOOKLINE_HOLD_LIMIT": "10000000", "HOOKLINE_ORDER_LIMIT": "1000000"}
"""On a slow machine the backlog at a pause may be larger than what an endpoint may hold; the rest would be skipped."""
SOAK: dict[str, Any] = {
    "settings": {**PATIENT, "HOOKLINE_RETENTION": "1h"},
    "judge_states": False,
    "patience": 300.0,
    "drain_seconds": 300.0,
}


def plan(given: argparse.Namespace) -> Plan:
    """What to run: with `hours` a few faults an hour beside a gentle load, else one fault after another."""
    seconds = given.hours * 3_600 if given.hours else given.minutes * 60
    rate = given.rate or (20.0 if given.hours else 150.0)
    every = given.every or (300.0 if given.hours else 5.0)
    steps = tuple(drawn(seconds, given.seed, given.dispatchers, every))
    more = SOAK if given.hours else {"fail": 0.02, "drain_seconds": 240.0, "settings": PATIENT}
    return Plan(
        steps, seconds, given.publishers, rate, dispatchers=given.dispatchers, seed=given.seed, store_settings=ROOMY,
        **more,
    )  # fmt: skip


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--hours", type=float, help="a soak instead: few faults, gentle load, memory watched")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, help="events per second and publisher")
    parser.add_argument("--every", type=float, help="seconds between faults")
    parser.add_argument("--publishers", type=int, default=2)
    parser.add_argument("--dispatchers", type=int, default=2)
    parser.add_argument("--directory", type=Path, help="for logs, ledgers and reports; a new one by default")
    return parser.parse_args()


def main() -> int:
    """Run the control, then one campaign, and print its report."""
    given = arguments()
    directory = given.directory or Path(tempfile.mkdtemp(prefix="hookline-chaos-"))
    (directory / "control").mkdir(parents=True, exist_ok=True)
    control = careless(directory / "control")
    with Campaign(plan(given), directory) as campaign:
        campaign.run()
        campaign.drain()
        findings = campaign.audit()
        recount = campaign.system.command("ledger", seconds=600.0)
        found = report.of(campaign, findings, recount=recount.stdout, control=_short(control))
        (directory / "report.md").write_text(report.markdown(found) + "\n")
        sys.stdout.write(f"{report.table(found)}\nlogs, ledgers, report.json and report.md: {directory}\n")
    return 0 if findings.faultless and recount.returncode == 0 and control.lost else 1


def _short(findings: Findings) -> dict[str, int]:
    return {"acknowledged": findings.acknowledged, "lost": len({event for event, _ in findings.lost})}


if __name__ == "__main__":
    sys.exit(main())
