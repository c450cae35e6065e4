"""When to try again: pure."""

import re
from collections.abc import Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime

from gateway.clock import Random

JITTER = 0.2
MAX_RETRY_AFTER_SECONDS = 86_400
_SECONDS = re.compile(r"[0-9]+")
_SECONDS_DIGITS = 15


def delay_ms(schedule: Sequence[int], failures: int, random: Random) -> int | None:
    """Milliseconds to wait after the n-th failure (n >= 1), +-20 %; None when the schedule is at its end."""
    if failures > len(schedule):
        return None
    return round(schedule[failures - 1] * 1_000 * random.uniform(1 - JITTER, 1 + JITTER))


def retry_after_ms(values: Sequence[bytes], wall_ms: int) -> int:
    """The floor that `Retry-After` sets (RFC 9110, 10.2.3): seconds or an HTTP date; 0 if there is none that is valid.

    The longest of several counts; over 24 h counts as 24 h.
    """
    return max((_one(value, wall_ms) for value in values), default=0)


def _one(raw: bytes, wall_ms: int) -> int:
    text = raw.decode("latin-1").strip(" \t")
    if _SECONDS.fullmatch(text):
        # a number too long to be read is a long time, too
        seconds = int(text) if len(text) <= _SECONDS_DIGITS else MAX_RETRY_AFTER_SECONDS
        return min(seconds, MAX_RETRY_AFTER_SECONDS) * 1_000
    try:
        when = parsedate_to_datetime(text)
        wait = when.replace(tzinfo=when.tzinfo or UTC).timestamp() * 1_000 - wall_ms
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    return max(0, min(round(wait), MAX_RETRY_AFTER_SECONDS * 1_000))
