"""When to try again: the schedule with its jitter, and Retry-After as a floor that no text can abuse."""

import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import backoff
from gateway.settings import DEFAULT_SCHEDULE

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS / 1_000, UTC)
DAY_MS = 86_400_000


class Fixed:
    """Draws what it is told to, as a share of the range."""

    def __init__(self, share: float) -> None:
        self._share = share

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self._share


@pytest.mark.parametrize("failures", range(1, 11))
def test_the_default_schedule_is_kept_within_a_fifth(failures: int) -> None:
    seconds = DEFAULT_SCHEDULE[failures - 1]
    drawn = [backoff.delay_ms(DEFAULT_SCHEDULE, failures, Fixed(share)) for share in (0.0, 0.5, 1.0)]
    assert drawn == [round(seconds * 800), seconds * 1_000, round(seconds * 1_200)]


def test_the_schedule_has_an_end() -> None:
    assert backoff.delay_ms(DEFAULT_SCHEDULE, 11, Fixed(0.5)) is None
    assert backoff.delay_ms([1], 2, random.Random(1)) is None
    assert sum(DEFAULT_SCHEDULE) / 3_600 == pytest.approx(75.6, abs=0.01)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([b"0"], 0),
        ([b"120"], 120_000),
        ([b" 120\t"], 120_000),
        ([b"-5"], 0),
        ([b"+5"], 0),
        ([b"1e9"], 0),
        ([b"1.5"], 0),
        ([b"nan"], 0),
        ([b"inf"], 0),
        ([b""], 0),
        ([b"999999999999"], DAY_MS),
        ([b"9" * 5_000], 0),
        (["١٢٠".encode()], 0),
        ([b"1_000"], 0),
        ([b"10", b"30"], 30_000),
        ([b"x", b"7"], 7_000),
        ([b"\xff\x00"], 0),
        ([b"Fri, 31 Dec 9999 23:59:59 GMT"], DAY_MS),
        ([b"Fri, 31 Dec 99999 23:59:59 GMT"], 0),
        ([b"Thu, 01 Jan 1970 00:00:00 GMT"], 0),
        ([], 0),
    ],
)
def test_retry_after(values: list[bytes], expected: int) -> None:
    assert backoff.retry_after_ms(values, NOW_MS) == expected


@pytest.mark.parametrize("seconds", [1, 90, 3_600])
def test_an_http_date_counts_from_now(seconds: int) -> None:
    text = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True).encode()
    assert backoff.retry_after_ms([text], NOW_MS) == seconds * 1_000


@given(st.lists(st.binary(max_size=40), max_size=3))
def test_no_header_does_harm(values: list[bytes]) -> None:
    assert 0 <= backoff.retry_after_ms(values, NOW_MS) <= DAY_MS
