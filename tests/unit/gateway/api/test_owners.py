"""Which partitions nobody delivers."""

from gateway.api.owners import Owners
from gateway.clock import SystemClock
from gateway.store.leases import LEASE_SECONDS, Lease


class Turned(SystemClock):
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        """Seconds."""
        return self.now


def test_a_lease_that_nobody_has_is_seen_at_once() -> None:
    owners = Owners(Turned())
    assert owners.missing([Lease("", "", 0), Lease("a", "t", 1)]) == [0]


def test_a_beat_that_stands_still_is_seen_after_a_while() -> None:
    clock = Turned()
    owners = Owners(clock)
    still = Lease("a", "t", 1)
    assert owners.missing([still]) == []
    clock.now += LEASE_SECONDS
    assert owners.missing([still]) == []
    clock.now += 0.1
    assert owners.missing([still]) == [0]
    assert owners.missing([Lease("a", "t", 2)]) == []
    assert owners.missing([Lease("b", "u", 2)]) == []
