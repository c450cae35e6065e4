"""Metrics out of a snapshot."""

from collections.abc import Mapping

from gateway.api import metrics
from gateway.store.breakers import Breaker
from gateway.store.durability import Memory
from gateway.store.filter_errors import Totals
from gateway.store.vitals import Partition, Snapshot

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


def test_what_is_held_is_told_by_reason() -> None:
    found = lines(snapshot({b"1:held": b"5", b"1:held_paused": b"2", b"0:held_paused": b"1", b"1:held_order": b"2"}))
    assert [line for line in found if line.startswith("hookline_deliveries_held")] == [
        "hookline_deliveries_held 5.0",
        'hookline_deliveries_held_by_reason{reason="paused"} 3.0',
        'hookline_deliveries_held_by_reason{reason="breaker"} 0.0',
        'hookline_deliveries_held_by_reason{reason="order"} 2.0',
    ]


def test_each_partition_says_what_waits_in_it() -> None:
    found = lines(snapshot({b"1:unread": b"3"}))
    assert 'hookline_partition_unread_events{partition="0"} 3.0' in found
    assert 'hookline_partition_retry_late_seconds{partition="0"} 0.0' in found


def test_breakers_are_counted_by_state() -> None:
    breakers = {1: Breaker(1, 2), 2: Breaker(1, 2), 3: Breaker(1, 2, 1, b"somebody")}
    found = lines(snapshot({})._replace(breakers=breakers))
    assert 'hookline_breakers{state="open"} 2.0' in found
    assert 'hookline_breakers{state="half_open"} 1.0' in found


def test_filters_without_an_answer_are_counted() -> None:
    found = lines(snapshot({})._replace(filters=Totals(2, 7)))
    assert "hookline_filter_errors 7.0" in found
    assert "hookline_filters_failing 2.0" in found


def test_a_store_that_never_gets_full_says_so() -> None:
    assert "hookline_store_hours_until_full +Inf" in lines(snapshot({}))
