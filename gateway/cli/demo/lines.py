"""How the story looks: one line for each thing that happened, in columns.

payments   order.placed  order-1  200  attempt 1  verified       6 ms  card charged, 25.00 EUR
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.console import safe

INDENT = "   "
WIDTHS = (9, 12, 9, 6, 9, 18, 9)
HEADS = ("who", "event", "order", "answer", "", "", "after")
GOOD_STATUS = range(200, 300)


class Line(NamedTuple):
    """One thing that happened; `after_ms` since the act's request."""

    who: str
    event: str
    order: str
    status: int | None
    attempt: int | None
    proof: str
    after_ms: float | None
    note: str = ""

    @property
    def good(self) -> bool:
        """Whether it went well."""
        return self.status in GOOD_STATUS


def of_service(line: Mapping[str, Any], began_ms: float | None) -> Line:
    """What a service said of one request."""
    return Line(
        who=str(line.get("service", "")),
        event=str(line.get("type") or "-"),
        order=str(line.get("subject") or "-"),
        status=line.get("status"),
        attempt=line.get("attempt"),
        proof="verified" if line.get("verified") else "not verified",
        after_ms=None if began_ms is None else float(line.get("at_ms", began_ms)) - began_ms,
        note=str(line.get("note") or ""),
    )


def milliseconds(value: float | None) -> str:
    """`6.2 ms`, `2,134 ms`."""
    if value is None:
        return ""
    return f"{value:.1f} ms" if value < 100 else f"{value:,.0f} ms"


def show(console: Console, line: Line) -> None:
    """Print it."""
    attempt = "" if line.attempt is None else f"attempt {line.attempt}"
    status = "-" if line.status is None else str(line.status)
    cells = (line.who, line.event, line.order, status, attempt, line.proof, milliseconds(line.after_ms).rjust(9))
    styles = ("", "", "", look.GOOD if line.good else look.BAD, look.QUIET, look.GOOD if line.good else look.BAD, "")
    text = Text(INDENT)
    for cell, width, style in zip(cells, WIDTHS, styles, strict=True):
        text.append(safe(cell).ljust(width), style).append("  ")
    text.append(safe(line.note), look.QUIET)
    text.rstrip()
    console.print(text)


def heads(console: Console) -> None:
    """The names of the columns."""
    cells = [head.ljust(width) for head, width in zip(HEADS, WIDTHS, strict=True)]
    cells[-1] = HEADS[-1].rjust(WIDTHS[-1])
    console.print(Text(("\n" + INDENT + "  ".join(cells)).rstrip(), look.QUIET))


def title(console: Console, number: int, words: str) -> None:
    """The heading of an act."""
    console.print(Text(f"\n{number}  ", look.STRONG).append(words, look.HEADING).append("\n"))


def aside(console: Console, words: str) -> None:
    """A quiet remark between the lines."""
    console.print(Text(INDENT).append(words, look.QUIET))
