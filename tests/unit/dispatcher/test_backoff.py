import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher import backoff
from gateway.settings import DEFAULT_SCHEDULE

NOW = 1_700_000_000_000
DAY_MS = 86_400_000


class Fixed:
    """The lowest, the middle or the highest draw."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.share


@pytest.mark.parametrize(("share", "milliseconds"), [(0.0, 4_000), (0.5, 5_000), (1.0, 6_000)])
def test_jitter_is_a_fifth_both_ways(share: float, milliseconds: int) -> None:
    assert backoff.delay_ms((5,), 1, Fixed(share)) == milliseconds


def test_the_default_schedule_is_that_of_the_contract() -> None:
    waits = [backoff.delay_ms(DEFAULT_SCHEDULE, number, Fixed(0.5)) for number in range(1, 12)]
    minute, hour = 60_000, 3_600_000
    assert waits == [
        5_000, minute, 5 * minute, 30 * minute, 2 * hour, 5 * hour, 10 * hour, 14 * hour, 20 * hour, 24 * hour, None
    ]  # fmt: skip
    assert sum(DEFAULT_SCHEDULE) == pytest.approx(75.6 * 3_600, rel=0.001)


@pytest.mark.parametrize(
    ("value", "milliseconds"),
    [
        (b"0", 0),
        (b"7", 7_000),
        (b" 7\t", 7_000),
        (b"86400", DAY_MS),
        (b"86401", DAY_MS),
        (b"1000000000", DAY_MS),
        (b"999999999999", DAY_MS),
        (b"9" * 5_000, DAY_MS),
        (b"007", 7_000),
        (b"-5", 0),
        (b"+5", 0),
        (b"1e9", 0),
        (b"1.5", 0),
        (b"nan", 0),
        (b"", 0),
        (b"5 seconds", 0),
        (b"\xd9\xa5", 0),
        ("٥".encode(), 0),  # noqa: RUF001 - an Arabic digit, which int() would take
        (b"Tue, 14 Nov 2023 22:14:20 GMT", 60_000),
        (b"Tue, 14 Nov 2023 22:13:00 GMT", 0),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", DAY_MS),
        (b"Tuesday, 14-Nov-23 22:14:20 GMT", 60_000),
        (b"Tue Nov 14 22:14:20 2023", 60_000),
        (b"Tue, 14 Nov 2023 22:14:20 +0100", 0),
        (b"Tue, 99 Nov 2023 22:14:20 GMT", 0),
        (b"Tue, 14 Nov 99999999999999999999 22:14:20 GMT", 0),
    ],
)
def test_retry_after(value: bytes, milliseconds: int) -> None:
    """RFC 9110, 10.2.3 and 5.6.7: seconds, or an HTTP date in any of its three forms."""
    assert backoff.retry_after_ms([value], NOW) == milliseconds


def test_the_longest_of_several_counts() -> None:
    assert backoff.retry_after_ms([b"5", b"nonsense", b"70", b"6"], NOW) == 70_000
    assert backoff.retry_after_ms([], NOW) == 0


@given(st.binary(max_size=60))
def test_nothing_that_a_receiver_says_fails_or_exceeds_a_day(value: bytes) -> None:
    assert 0 <= backoff.retry_after_ms([value], NOW) <= DAY_MS
