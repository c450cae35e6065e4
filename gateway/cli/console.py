"""What the commands print: aligned rows, colour only on a terminal.

When the output is not a terminal there is no colour and no cursor move, whatever the environment says. Text that came
from outside is shown with its control characters escaped, so that nobody's event can write to the terminal.
"""

import sys
from collections.abc import Iterable, Sequence
from typing import IO

from rich.console import Console
from rich.text import Text

WIDTH = 120
QUIET = "dim"
STRONG = "bold"
GOOD = "green"
BAD = "red"
HEADING = "bold cyan"


def make(file: IO[str] | None = None) -> Console:
    """A console on `file` (standard output); lines are never wrapped or cut."""
    target = file or sys.stdout
    if target.isatty():
        return Console(file=target, highlight=False, markup=False, emoji=False, soft_wrap=True)
    return Console(
        file=target, highlight=False, markup=False, emoji=False, soft_wrap=True,
        force_terminal=False, force_interactive=False, color_system=None, width=WIDTH,
    )  # fmt: skip


def safe(text: str) -> str:
    """The text on one line, each control character escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def facts(console: Console, pairs: Iterable[tuple[str, str]], indent: int = 2) -> None:
    """Rows of a name and what is to know about it, aligned."""
    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        console.print(Text(" " * indent).append(name.ljust(width + 2), QUIET).append(value))


def table(console: Console, heads: Sequence[str], rows: Sequence[Sequence[str]], indent: int = 2) -> None:
    """Left-aligned columns under quiet heads."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    for number, row in enumerate([heads, *rows]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        console.print(Text(" " * indent + line, QUIET if number == 0 else ""))
