"""Metrics out of a snapshot."""

import math
from collections.abc import Mapping

import pytest

from gateway.api import metrics
from gateway.api.metrics import Partition, Snapshot
from gateway.store.durability import Memory

HOUR_MS = 3_600_000
NOW = 500_000 * HOUR_MS + HOUR_MS // 2
MB = 1_048_576


def snapshot(
    counters: Mapping[bytes, bytes],
    *,
    entries: int = 1_000,
    used: int = 11 * MB,
    limit: int = 100 * MB,
    timing: Mapping[bytes, bytes] | None = None,
) -> Snapshot:
    """One partition with these counters, on a store that takes 1 MB when it is empty."""
    return Snapshot(NOW, Memory(used, limit), MB, [Partition(0, counters, entries, 1.5, timing or {})])


def lines(found: Snapshot) -> list[str]:
    """The lines of the answer."""
    return metrics.render(found).decode().splitlines()


def test_counters_are_sums_over_hours() -> None:
    found = lines(snapshot({b"1:accepted": b"2", b"0:accepted": b"3", b"1:attempts": b"4", b"1:held": b"-1"}))
    assert "hookline_events_accepted_total 5.0" in found
    assert "hookline_attempts_total 4.0" in found
    assert "hookline_deliveries_held -1.0" in found
    assert "# TYPE hookline_deliveries_dead gauge" in found
    assert 'hookline_partition_lag_seconds{partition="0"} 1.5' in found


def test_attempt_seconds_is_a_cumulative_histogram() -> None:
    timing = {b"1000": b"2", b"5": b"3", b"+Inf": b"1", b"count": b"6", b"sum": b"2500000"}
    found = [line for line in lines(snapshot({}, timing=timing)) if line.startswith("hookline_attempt_seconds")]
    assert found == [
        'hookline_attempt_seconds_bucket{le="0.005"} 3.0',
        'hookline_attempt_seconds_bucket{le="1.0"} 5.0',
        'hookline_attempt_seconds_bucket{le="+Inf"} 6.0',
        "hookline_attempt_seconds_count 6.0",
        "hookline_attempt_seconds_sum 2.5",
    ]


def test_hours_until_full_go_on_as_in_the_last_hour() -> None:
    # 10 MB for 1,000 events; 79 MB of room are 7,900 events; 1,800 in half an hour are 1 each second
    young = snapshot({b"500000:accepted": b"1800"})
    assert metrics.hours_until_full(young) == pytest.approx(7_900 / 3_600)
    # the hour before counts while this one is young: 5,400 in an hour and a half
    older = snapshot({b"500000:accepted": b"1800", b"499999:accepted": b"3600"})
    assert metrics.hours_until_full(older) == pytest.approx(7_900 / 3_600)


@pytest.mark.parametrize(
    "found",
    [
        snapshot({}),
        snapshot({b"500000:accepted": b"5"}, limit=0),
        snapshot({b"500000:accepted": b"5"}, entries=0),
        snapshot({b"499000:accepted": b"5"}),
    ],
)
def test_hours_until_full_are_endless_without_a_rate_or_a_limit(found: Snapshot) -> None:
    assert metrics.hours_until_full(found) == math.inf
    assert "hookline_store_hours_until_full +Inf" in lines(found)


def test_a_full_store_has_no_hours_left() -> None:
    assert metrics.hours_until_full(snapshot({b"500000:accepted": b"5"}, used=95 * MB)) == 0.0
