"""Figures with their goals, and the table of them."""

import dataclasses
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_COMPARE = {">=": operator.ge, "<=": operator.le}


@dataclasses.dataclass(frozen=True, slots=True)
class Figure:
    """One measured value; `goal` is such as `>= 5000`, or '' where none was set; `facts` are beside the point."""

    name: str
    value: float
    unit: str
    goal: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if not self.goal:
            return None
        sign, number = self.goal.split()
        return bool(_COMPARE[sign](self.value, float(number)))

    @property
    def missed_by(self) -> str:
        """By how much, in percent of the goal; '' when met."""
        if self.met is not False:
            return ""
        goal = float(self.goal.split()[1])
        return f"missed by {abs(self.value - goal) / goal:.0%}"


def number(value: float) -> str:
    """Three or more significant digits, thousands separated."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures: Sequence[Figure]) -> str:
    """A text table, figure, value, goal, verdict; below it what else was seen."""
    rows = [("figure", "value", "goal", "")]
    for figure in figures:
        verdict = {None: "", True: "met", False: figure.missed_by}[figure.met]
        rows.append((figure.name, f"{number(figure.value)} {figure.unit}", figure.goal, verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * (sum(widths) + 6))
    return "\n".join([*lines, "", *(_details(figure) for figure in figures if figure.facts)])


def _details(figure: Figure) -> str:
    return f"{figure.name}: " + ", ".join(f"{name} {_flat(value)}" for name, value in figure.facts.items())


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={inner}" for name, inner in value.items())
    return str(value)


def document(figures: Iterable[Figure], machine: Mapping[str, Any]) -> dict[str, Any]:
    """What bench.json holds."""
    rows = [{**dataclasses.asdict(figure), "facts": dict(figure.facts), "met": figure.met} for figure in figures]
    return {"machine": dict(machine), "figures": rows}
