"""The query of a URL, read in one way only: UTF-8, each name once, no empty value, no name that the route lacks.

An unknown name is refused, because a misspelt filter that is ignored shows other objects than were asked for.
"""

from collections.abc import Collection
from urllib.parse import parse_qsl

from gateway.problems import Problem

_SHOWN = 64


def parse_query(raw: bytes, known: Collection[str]) -> dict[str, str]:
    """The parameters by name; raises Problem `invalid_parameter` naming what is wrong."""
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Problem(
            "invalid_parameter", "the query is not percent-encoded UTF-8 with at most 100 parameters"
        ) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        _check(name, value, known, found)
        found[name] = value
    return found


def _check(name: str, value: str, known: Collection[str], found: dict[str, str]) -> None:
    shown = repr(name[:_SHOWN])
    if name not in known:
        listed = ", ".join(sorted(known)) or "none"
        raise Problem("invalid_parameter", f"{shown} is not a parameter here; known are {listed}")
    if name in found:
        raise Problem("invalid_parameter", f"{shown} is given twice")
    if not value:
        raise Problem("invalid_parameter", f"{shown} is empty; leave it out instead")
    if not value.isprintable():
        raise Problem("invalid_parameter", f"{shown} contains control characters")
