"""Times in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import rfc3339

YEAR_1_MS = -62_135_596_800_000
YEAR_9999_MS = 253_402_300_799_999


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-08-01T12:00:00Z", 1_785_585_600_000),
        ("2026-08-01t12:00:00z", 1_785_585_600_000),
        ("2026-08-01T14:00:00.1239+02:00", 1_785_585_600_123),
        ("2026-08-01T06:30:00-05:30", 1_785_585_600_000),
        ("2026-08-01T12:00:00-00:00", 1_785_585_600_000),
        ("1969-12-31T23:59:59.5Z", -500),
        ("2024-02-29T00:00:00.000000001Z", 1_709_164_800_000),
    ],
)
def test_reads_a_time_with_a_zone(text: str, milliseconds: int) -> None:
    assert rfc3339.parse_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1785585600",
        "2026-08-01",
        "2026-08-01T12:00:00",
        "2026-08-01 12:00:00Z",
        "2026-08-01T12:00Z",
        "2026-08-01T12:00:00.Z",
        "2026-08-01T12:00:00.1234567890Z",
        "2026-08-01T12:00:00+0200",
        "2026-08-01T12:00:00+24:00",
        "2026-08-01T12:00:00+02:60",
        "2026-8-1T12:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2016-12-31T23:59:60Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+01:00",
        "9999-12-31T23:59:59-01:00",
        "٢٠٢٦-08-01T12:00:00Z",
        " 2026-08-01T12:00:00Z",
        "2026-08-01T12:00:00Z\n",
        "+12026-08-01T12:00:00Z",
    ],
)
def test_refuses_what_is_not_one(text: str) -> None:
    with pytest.raises(rfc3339.TimeInvalid):
        rfc3339.parse_ms(text)


def test_writes_utc_with_milliseconds() -> None:
    assert rfc3339.format_ms(1_785_585_600_007) == "2026-08-01T12:00:00.007Z"
    assert rfc3339.format_ms(-1) == "1969-12-31T23:59:59.999Z"
    assert rfc3339.format_ms(YEAR_1_MS) == "0001-01-01T00:00:00.000Z"


@given(st.integers(YEAR_1_MS, YEAR_9999_MS))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    assert rfc3339.parse_ms(rfc3339.format_ms(milliseconds)) == milliseconds
