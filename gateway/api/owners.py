"""Which partitions nobody delivers, as far as looking at their leases from time to time can tell.

A lease whose beat stands still for `LEASE_SECONDS` between two looks has no living owner. The first look can only see
that a lease was released or never taken.
"""

from collections.abc import Sequence

from gateway.clock import Clock
from gateway.store.leases import LEASE_SECONDS, Lease


class Owners:
    """What was seen of the leases, by partition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[int, tuple[Lease, float]] = {}

    def missing(self, leases: Sequence[Lease]) -> list[int]:
        """The numbers of the partitions without a living owner; `leases` by partition number, as they are now."""
        now = self._clock.monotonic()
        found = []
        for number, lease in enumerate(leases):
            before, since = self._seen.get(number, (lease, now))
            if before != lease:
                since = now
            self._seen[number] = (lease, since)
            if not lease.owner or now - since > LEASE_SECONDS:
                found.append(number)
        return found
