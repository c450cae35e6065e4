"""The forecast, out of a snapshot."""

import math
from collections.abc import Mapping

import pytest

from gateway.store import vitals
from gateway.store.durability import Memory
from gateway.store.vitals import Partition, Snapshot

HOUR_MS = 3_600_000
NOW = 500_000 * HOUR_MS + HOUR_MS // 2
MB = 1_048_576


def snapshot(
    counters: Mapping[bytes, bytes], *, entries: int = 1_000, used: int = 11 * MB, limit: int = 100 * MB
) -> Snapshot:
    """One partition with these counters, on a store that takes 1 MB when it is empty."""
    return Snapshot(NOW, Memory(used, limit), MB, [Partition(0, counters, entries, 1.5, {})])


def test_totals_are_sums_over_hours_and_partitions() -> None:
    one = snapshot({b"1:unread": b"3", b"2:unread": b"4"})
    both = one._replace(partitions=[*one.partitions, Partition(1, {b"1:unread": b"5"}, 0, 0.0, {})])
    assert (both.partitions[0].totals["unread"], both.totals["unread"]) == (7, 12)


def test_hours_until_full_go_on_as_in_the_last_hour() -> None:
    # 10 MB for 1,000 events; 79 MB of room are 7,900 events; 1,800 in half an hour are 1 each second
    young = snapshot({b"500000:accepted": b"1800"})
    assert vitals.hours_until_full(young) == pytest.approx(7_900 / 3_600)
    # the hour before counts while this one is young: 5,400 in an hour and a half
    older = snapshot({b"500000:accepted": b"1800", b"499999:accepted": b"3600"})
    assert vitals.hours_until_full(older) == pytest.approx(7_900 / 3_600)


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
    assert vitals.hours_until_full(found) == math.inf


def test_a_full_store_has_no_hours_left() -> None:
    assert vitals.hours_until_full(snapshot({b"500000:accepted": b"5"}, used=95 * MB)) == 0.0
