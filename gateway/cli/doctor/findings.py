"""What a finding is, and words for times and sizes."""

import enum
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway import rfc3339

MB = 1_048_576
_SPANS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


class Level(enum.StrEnum):
    """How much a finding asks for."""

    OK = "ok"
    NOTE = "note"
    RISK = "risk"


class Finding(NamedTuple):
    """One thing that the doctor has to say.

    `subject` is the part of the system, `code` stable and for machines, `text` what is, `way_out` what to do about it,
    '' when nothing has to be done; `data` holds the figures of the text.
    """

    level: Level
    subject: str
    code: str
    text: str
    way_out: str = ""
    data: Mapping[str, Any] = {}


def ok(subject: str, text: str, **data: Any) -> Finding:
    """Nothing to do; the code is that of the subject."""
    return Finding(Level.OK, subject, subject, text, "", data)


def span(seconds: float) -> str:
    """`3 days`, `2 hours`, `1 minute`, `0 seconds`: the largest unit that fits, rounded down."""
    for size, name in _SPANS:
        if seconds >= size or size == 1:
            number = int(seconds // size)
            return f"{number:,} {name}{'' if number == 1 else 's'}"
    raise AssertionError("the last unit always fits")


def moment(ms: int) -> str:
    """`2026-08-01T12:00:00Z`: a time as a person may also give it to the API."""
    return f"{rfc3339.format_ms(ms)[:-5]}Z"


def hours(value: float) -> str:
    """When something comes that is so many hours away: `in 3 days`, `now`, `never`."""
    if math.isinf(value):
        return "never"
    return "now" if value <= 0 else f"in {span(value * 3_600)}"


def megabytes(size: int) -> str:
    """`12 MB`, `0.4 MB`."""
    return f"{size / MB:,.0f} MB" if size >= MB else f"{size / MB:.1f} MB"


def numbers(values: list[int]) -> str:
    """`0-3, 7`: ascending numbers, runs drawn together."""
    runs: list[list[int]] = []
    for value in values:
        if runs and value == runs[-1][-1] + 1:
            runs[-1] = [runs[-1][0], value]
        else:
            runs.append([value])
    return ", ".join("-".join(map(str, run)) for run in runs)
