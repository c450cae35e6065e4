"""Why a filter is refused, and why one could not be applied to an event."""

from typing import Literal

Code = Literal[
    "filter_too_long", "filter_syntax", "filter_unknown_name", "filter_unknown_function", "filter_too_complex"
]


class FilterError(ValueError):
    """A text is not a filter. `position` is the character it is about, counted from 0; None when it is the whole."""

    def __init__(self, code: Code, reason: str, position: int | None = None) -> None:
        at = "" if position is None else f" at character {position + 1}"
        super().__init__(f"{reason}{at}")
        self.code = code
        self.reason = reason
        self.position = position


class FilterFailed(Exception):
    """A filter has no answer for an event, which counts as not matched; the text says why."""
