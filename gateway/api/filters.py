"""Filters of the lists of events and deliveries: from a query to what the store narrows by.

Every value is checked before anything is read; a wrong one is refused by name as `invalid_parameter`.
"""

import re
from collections.abc import Mapping
from enum import IntEnum
from typing import TypeVar

from gateway import rfc3339
from gateway.api.openapi import Parameter
from gateway.api.pages import PageRequest
from gateway.model import delivery as model
from gateway.problems import Problem
from gateway.store import walk
from gateway.store.event_list import EventFilter
from receivers import patterns
from receivers.errors import PatternError

Member = TypeVar("Member", bound=IntEnum)

_TIME = {"type": "string", "format": "date-time"}
TYPE = Parameter("type", "Only this event type, or types by a pattern such as `order.*`; `*` leaves out `hookline.*`.")
SINCE = Parameter("since", "Only what was accepted at this time or later.", _TIME)
UNTIL = Parameter("until", "Only what was accepted before this time.", _TIME)


def names(kind: type[IntEnum]) -> list[str]:
    """The names of an enumeration as the API writes them, without `none`."""
    return [member.name.lower() for member in kind if member.name != "NONE"]


def member(query: Mapping[str, str], name: str, kind: type[Member]) -> Member | None:
    """The member that a parameter names."""
    text = query.get(name)
    if text is None:
        return None
    if text not in names(kind):
        raise Problem("invalid_parameter", f"{name} is {text[:64]!r}; it is one of {', '.join(names(kind))}")
    return kind[text.upper()]


def only(query: Mapping[str, str], name: str, value: str) -> bool:
    """Whether a parameter that has one possible value is given."""
    text = query.get(name)
    if text not in {None, value}:
        raise Problem("invalid_parameter", f"{name} is {str(text)[:64]!r}; the only value is {value}")
    return text is not None


def pattern(query: Mapping[str, str]) -> str | None:
    """The pattern of event types."""
    text = query.get("type")
    try:
        return None if text is None else patterns.validate_pattern(text)
    except PatternError as error:
        raise Problem("invalid_parameter", f"type: {error}") from None


def response_status(query: Mapping[str, str]) -> int | None:
    """The status of the last response, 100-599."""
    text = query.get("response_status")
    if text is not None and not re.fullmatch(r"[1-5][0-9]{2}", text):
        raise Problem("invalid_parameter", f"response_status is {text[:64]!r}; it is a number from 100 to 599")
    return None if text is None else int(text)


def span(query: Mapping[str, str], request: PageRequest) -> walk.Span:
    """The part of the order that was asked for: `since` inclusive, `until` exclusive, after the cursor."""
    since, until = _time(query, "since"), _time(query, "until")
    after = None if request.after is None else tuple(int(number) for number in request.after)
    return walk.Span(
        walk.BEGIN if since is None else (since, 0), walk.END if until is None else (until, 0), after, request.ascending
    )


def _time(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    try:
        return None if text is None else max(rfc3339.parse_ms(text), 0)
    except rfc3339.TimeInvalid as error:
        raise Problem("invalid_parameter", f"{name} is {text[:64]!r}: {error}" if text else str(error)) from None


def events(query: Mapping[str, str], subscriber: str | None) -> EventFilter:
    """What a list of events is narrowed to."""
    return EventFilter(
        pattern(query), query.get("subject"), query.get("source"), subscriber, only(query, "matched", "none")
    )


STATUS = Parameter("status", "Only in this state.", {"type": "string", "enum": names(model.State)})
REASON = Parameter(
    "reason", "Only dead, skipped or held for this reason.", {"type": "string", "enum": names(model.Reason)}
)
RESPONSE_STATUS = Parameter(
    "response_status",
    "Only with this status in the last response.",
    {"type": "integer", "minimum": 100, "maximum": 599},
)
ERROR = Parameter(
    "error", "Only with this error of the last attempt.", {"type": "string", "enum": names(model.AttemptError)}
)
