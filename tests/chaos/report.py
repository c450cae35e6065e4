"""What a campaign found, for a program (report.json), for a reader, and for the README."""

import json
from collections import Counter
from typing import Any

from tests.chaos.campaign import Campaign
from tests.chaos.faults import ENDS
from tests.support.ledger import Findings

_ROWS = (
    ("minutes of load, seed", "{minutes:g}, {seed}"),
    ("faults", "{fault_count}: {fault_words}"),
    ("events sent / acknowledged", "{sent:,} / {acknowledged:,}"),
    ("requests received / deliveries made", "{received:,} / {delivered:,}"),
    ("lost", "{lost}"),
    ("phantom, corrupt, forged", "{phantom}, {corrupt}, {forged}"),
    ("not in exactly one final state, or in another than the receiver saw", "{unsettled}, {disagreeing}"),
    ("out of order at the ordered endpoint", "{disordered}"),
    ("received again after a 2xx", "{duplicated:,} ({duplicated_percent} %)"),
    ("seconds until all was delivered, after the last event", "{drain_seconds:g}"),
    ("largest memory, and its slope", "{memory_words}"),
    ("the same with `everysec` and the guard off", "{control_words}"),
)


def of(campaign: Campaign, findings: Findings, **facts: Any) -> dict[str, Any]:
    """Everything of a run; also written to report.json in its directory."""
    plan = campaign.plan
    kinds = Counter(f"{step.fault} {step.part.partition('-')[0]}" for _, step in campaign.done)
    report = {
        "minutes": round(plan.seconds / 60, 2),
        "seed": plan.seed,
        "faults": {kind: count for kind, count in sorted(kinds.items()) if kind.partition(" ")[0] not in ENDS},
        "sent": campaign.sent(),
        **findings.report(),
        "drain_seconds": round(campaign.drained_seconds, 1),
        "memory": campaign.memory.report(),
        "timeline": [f"{at:.1f} s: {step.fault} {step.part}" for at, step in campaign.done],
        **facts,
    }
    (campaign.directory / "report.json").write_text(json.dumps(report, indent=2) + "\n")
    return report


def rows(report: dict[str, Any]) -> list[tuple[str, str]]:
    """What a person wants to know, in words; without the rows that this report has nothing for."""
    faults = report["faults"]
    control = report.get("control")
    words = {
        **report,
        "fault_count": sum(faults.values()),
        "fault_words": ", ".join(f"{count} x {kind.replace('_', ' ')}" for kind, count in faults.items()) or "none",
        "memory_words": "; ".join(
            f"{name} {one['largest_mb']:g} MB, {one['slope_mb_per_hour']:+g} MB/h" for name, one in
            report["memory"].items()
        ),
        "control_words": f"{control['lost']:,} of {control['acknowledged']:,} lost" if control else "",
    }  # fmt: skip
    return [(name, text) for name, form in _ROWS if (text := form.format(**words))]


def table(report: dict[str, Any]) -> str:
    """The rows for a terminal, then examples of what is wrong."""
    lines = [f"{name:68} {text}" for name, text in rows(report)]
    lines += [f"{name}: {found}" for name, found in report["examples"].items()]
    return "\n".join(lines)


def markdown(report: dict[str, Any]) -> str:
    """The rows as a table of the README."""
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows(report))])
