"""`python -m tests.chaos --minutes 10 [--seed 7]`: faults drawn from a seed; exits 1 when the promise broke."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.chaos.campaign import Campaign, Plan, table
from tests.chaos.faults import drawn


def main() -> int:
    """Run one campaign and print its report."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=150.0, help="events per second and publisher")
    parser.add_argument("--publishers", type=int, default=2)
    parser.add_argument("--dispatchers", type=int, default=2)
    parser.add_argument("--directory", type=Path, help="for logs, ledgers and report.json; a new one by default")
    given = parser.parse_args()
    seconds = given.minutes * 60
    steps = tuple(drawn(seconds, given.seed, given.dispatchers))
    plan = Plan(steps, seconds, given.publishers, given.rate, dispatchers=given.dispatchers, seed=given.seed)
    directory = given.directory or Path(tempfile.mkdtemp(prefix="hookline-chaos-"))
    directory.mkdir(parents=True, exist_ok=True)
    with Campaign(plan, directory) as campaign:
        campaign.run()
        drained = campaign.drain()
        findings = campaign.audit()
        recount = campaign.system.command("ledger")
        report = campaign.report(findings, drain_seconds=round(drained, 1), recount=recount.stdout)
    sys.stdout.write(f"{table(report)}\nlogs and ledgers: {directory}\n")
    return 0 if findings.faultless and recount.returncode == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
