"""Short texts for people out of what machines write."""

import errno
import json
from pathlib import Path

from gateway.cli.child import last_line
from gateway.cli.console import safe

TAKEN = frozenset({errno.EADDRINUSE})
_TELLING = ("event", "message", "error", "detail", "exception")
_LINE = 300


def of_log_line(line: str) -> str:
    """What a log line says: its text, or of a JSON object the members that tell what happened."""
    try:
        members = json.loads(line)
    except ValueError:
        return safe(line)[:_LINE]
    if not isinstance(members, dict):
        return safe(line)[:_LINE]
    said = [str(members[name]) for name in _TELLING if members.get(name)]
    return safe(": ".join(said) or line)[:_LINE]


def last_words(log: Path) -> str:
    """What the last line of a log says."""
    return of_log_line(last_line(log)) or "it said nothing"


def seconds(value: float) -> str:
    """`0.5 s`, `10 s`."""
    return f"{value:g} s"


def count(number: int, noun: str) -> str:
    """`1 dispatcher`, `2 dispatchers`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
