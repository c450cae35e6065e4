"""Event types and the patterns that select them: the one implementation, used by receivers and by the dispatcher.

| pattern | matches |
|---|---|
| `order.placed` | exactly this event type |
| `order.*` | any depth below `order.`: `order.placed`, `order.item.added`; not `order` |
| `*` | everything except `hookline.*`: what the system says about itself is asked for by name |

`*` stands only alone or as the last part. Upper and lower case differ.

An event type has few patterns that could match it (`candidates`), so a set or dictionary of patterns answers
"who wants this" by look-ups, whatever the number of patterns.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

from receivers.errors import PatternError

EVERYTHING = "*"
RESERVED_PREFIX = "hookline."
MAXIMUM_LENGTH = 128

_EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_PREFIX_PATTERN = re.compile(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]\.\*")


def is_event_type(text: str) -> bool:
    """Whether the text is `[A-Za-z0-9_.-]{1,128}`."""
    return _EVENT_TYPE.fullmatch(text) is not None


def validate_event_type(text: str) -> str:
    """The text itself; raises PatternError `event_type_invalid`."""
    if not is_event_type(text):
        raise PatternError("event_type_invalid", f"{text[:130]!r} is not an event type: 1-128 of A-Z a-z 0-9 _ . -")
    return text


def validate_pattern(text: str) -> str:
    """The text itself; raises PatternError `pattern_invalid` saying what is wrong."""
    if text == EVERYTHING or is_event_type(text):
        return text
    if len(text) <= MAXIMUM_LENGTH and _PREFIX_PATTERN.fullmatch(text):
        return text
    raise PatternError("pattern_invalid", f"{text[:130]!r} is not an event-type pattern: {_what_is_wrong(text)}")


def _what_is_wrong(text: str) -> str:
    if not 1 <= len(text) <= MAXIMUM_LENGTH:
        return f"it has {len(text)} characters, allowed are 1-{MAXIMUM_LENGTH}"
    if "*" in text[:-1] or (text.endswith("*") and not text.endswith(".*")):
        return "* stands alone or as the last part, as in order.*"
    if text.endswith(".*"):
        return "before .* stands the beginning of an event type, as in order.*"
    return "allowed are A-Z a-z 0-9 _ . - and * as the last part"


@lru_cache(maxsize=4096)
def candidates(event_type: str) -> tuple[str, ...]:
    """Every pattern that matches this event type: itself, `*` unless reserved, and one per dot inside it."""
    found = [event_type]
    if not event_type.startswith(RESERVED_PREFIX):
        found.append(EVERYTHING)
    dot = event_type.find(".", 1)
    while 0 < dot < len(event_type) - 1:
        found.append(event_type[: dot + 1] + EVERYTHING)
        dot = event_type.find(".", dot + 1)
    return tuple(found)


def matches(pattern: str, event_type: str) -> bool:
    """Whether a valid pattern selects a valid event type. Neither is checked here."""
    return pattern in candidates(event_type)


class Matcher:
    """Several patterns, any of which may match; raises PatternError for a bad one."""

    __slots__ = ("_patterns",)

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = frozenset(validate_pattern(pattern) for pattern in patterns)

    def matches(self, event_type: str) -> bool:
        """Whether any of the patterns selects the event type."""
        return not self._patterns.isdisjoint(candidates(event_type))

    def __repr__(self) -> str:
        return f"Matcher({sorted(self._patterns)})"
