"""The doctor's page for people, and the same as JSON for machines."""

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.doctor.findings import Finding, Level
from gateway.cli.doctor.judging import attention
from gateway.cli.words import count

SHOWN = 20
"""So many findings of one subject and level; the JSON has all."""
MARGIN = 2
_STYLES = {Level.OK: look.GOOD, Level.NOTE: "yellow", Level.RISK: look.BAD}


def show(console: Console, findings: list[Finding]) -> None:
    """One row for each finding, the way out below it, and a last line that says whether there is something to do."""
    indent = MARGIN + 6 + max(len(finding.subject) for finding in findings) + 2
    seen: dict[tuple[str, Level], int] = {}
    console.print()
    for finding in findings:
        kind = (finding.subject, finding.level)
        seen[kind] = seen.get(kind, 0) + 1
        if seen[kind] <= SHOWN:
            _show_one(console, finding, indent)
    for (subject, level), number in seen.items():
        if number > SHOWN:
            more = f"{number - SHOWN:,} more of {subject}, {level.value}: `hookline doctor --json` has them all"
            console.print(Text(" " * MARGIN + more, look.QUIET))
    risks = attention(findings)
    console.print()
    if risks:
        verb = "needs" if risks == 1 else "need"
        console.print(Text(f"{' ' * MARGIN}{count(risks, 'thing')} {verb} attention.", f"{look.STRONG} {look.BAD}"))
    else:
        console.print(Text(f"{' ' * MARGIN}All is well.", f"{look.STRONG} {look.GOOD}"))


def _show_one(console: Console, finding: Finding, indent: int) -> None:
    width = min(console.width, look.WIDTH) - indent
    first, *rest = _wrap(finding.text, width)
    row = Text(" " * MARGIN).append(finding.level.value.ljust(6), _STYLES[finding.level])
    row.append(finding.subject.ljust(indent - MARGIN - 6), look.STRONG).append(first)
    console.print(row)
    for line in rest:
        console.print(Text(" " * indent + line))
    if finding.way_out:
        first, *rest = _wrap(finding.way_out, width - 2)
        for line in (f"> {first}", *(f"  {line}" for line in rest)):
            console.print(Text(" " * indent + line, look.QUIET))


def _wrap(text: str, width: int) -> list[str]:
    # a command or a path stays in one piece, so that it can be copied
    return textwrap.wrap(look.safe(text), max(width, 40), break_long_words=False, break_on_hyphens=False) or [""]


def as_json(findings: Sequence[Finding], now_ms: str) -> str:
    """One object: `healthy`, `attention`, `checked_at` (store time), `findings` with all their fields."""
    risks = attention(list(findings))
    found: list[dict[str, Any]] = [
        {**finding._asdict(), "level": finding.level.value, "data": dict(finding.data)} for finding in findings
    ]
    return json.dumps({"healthy": risks == 0, "attention": risks, "checked_at": now_ms, "findings": found}, indent=2)


def failure_as_json(why: str) -> str:
    """The same when nothing could be looked at."""
    return json.dumps({"healthy": None, "error": why}, indent=2)
