"""The two clocks, in their units."""

from datetime import UTC, datetime

from receivers import clock


def test_wall_seconds_are_seconds_since_the_epoch() -> None:
    assert abs(clock.wall_seconds() - datetime.now(UTC).timestamp()) < 5


def test_monotonic_seconds_only_grow() -> None:
    instants = [clock.monotonic_seconds() for _ in range(100)]
    assert instants == sorted(instants)
