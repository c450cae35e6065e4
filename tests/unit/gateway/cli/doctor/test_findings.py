"""Words for times, sizes and partitions."""

import math

import pytest

from gateway.cli.doctor import findings


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"), (1.9, "1 second"), (59, "59 seconds"), (60, "1 minute"), (7_199, "1 hour"),
        (86_400, "1 day"), (86_400 * 1_000, "1,000 days"),
    ],
)  # fmt: skip
def test_spans(seconds: float, text: str) -> None:
    assert findings.span(seconds) == text


@pytest.mark.parametrize(("hours", "text"), [(math.inf, "never"), (0.0, "now"), (0.5, "in 30 minutes")])
def test_hours(hours: float, text: str) -> None:
    assert findings.hours(hours) == text


@pytest.mark.parametrize(("size", "text"), [(0, "0.0 MB"), (524_288, "0.5 MB"), (3_000 * findings.MB, "3,000 MB")])
def test_megabytes(size: int, text: str) -> None:
    assert findings.megabytes(size) == text


@pytest.mark.parametrize(
    ("values", "text"), [([], ""), ([3], "3"), ([0, 1, 2, 5, 7, 8], "0-2, 5, 7-8"), ([1, 3], "1, 3")]
)
def test_numbers(values: list[int], text: str) -> None:
    assert findings.numbers(values) == text
