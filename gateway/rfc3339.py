"""Times of the API: RFC 3339 in UTC with milliseconds out, any RFC 3339 time with a zone in.

Strict on the way in: a date alone, a missing zone, a space instead of `T`, other digits than ASCII's and a leap second
(which milliseconds since the epoch cannot say) are refused.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)


class TimeInvalid(ValueError):
    """A text is not an RFC 3339 time; `str(error)` says what is wrong."""


@lru_cache(maxsize=256)
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")


def format_ms(ms: int) -> str:
    """`2026-08-01T12:00:00.123Z` from milliseconds since the epoch; years 1 to 9999."""
    seconds, rest = divmod(ms, 1_000)
    return f"{_second(seconds)}.{rest:03d}Z"


def parse_ms(text: str) -> int:
    """Milliseconds since the epoch, rounded down; raises TimeInvalid. Source: RFC 3339, section 5.6."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise TimeInvalid("expected an RFC 3339 time with a zone, such as 2026-08-01T12:00:00Z")
    year, month, day, hour, minute, second = (int(group) for group in match.groups()[:6])
    fraction, sign, zone_hour, zone_minute = match.groups()[6:]
    if second == 60:
        raise TimeInvalid("leap seconds are not supported; write the second after it")
    try:
        zone = _zone(sign, zone_hour, zone_minute)
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
        whole = (moment - _EPOCH) // _MILLISECOND
        format_ms(whole)
    except (ValueError, OverflowError) as error:
        raise TimeInvalid(f"no such time: {error}") from None
    return whole + int((fraction or "0").ljust(3, "0")[:3])


def _zone(sign: str | None, hours: str, minutes: str) -> timezone:
    if sign is None:
        return UTC
    if int(minutes) > 59:
        raise ValueError("the zone's minutes must be in 0..59")
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    return timezone(-offset if sign == "-" else offset)
