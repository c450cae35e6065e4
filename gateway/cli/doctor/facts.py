"""What the doctor read. Times are store milliseconds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.model.endpoint import Endpoint, Health
from gateway.settings import Settings
from gateway.store import durability, leases, ledger, vitals
from gateway.store.breakers import Breaker
from gateway.store.filter_errors import FilterErrors
from gateway.store.members import Member


class Store(NamedTuple):
    """The store itself: risks, statuses of its last writes (INFO persistence), partitions fixed at the first start."""

    risks: Sequence[durability.Risk]
    persistence: Mapping[str, str]
    partitions: int | None


class Partition(NamedTuple):
    """A partition, seen twice."""

    before: leases.Lease
    after: leases.Lease
    was: ledger.Totals
    now: vitals.Partition

    @property
    def number(self) -> int:
        """Its number."""
        return self.now.number

    @property
    def owned(self) -> bool:
        """Whether its owner beat between the two looks."""
        return bool(self.after.owner) and self.before != self.after

    @property
    def stands_still(self) -> bool:
        """Whether events waited at both looks and none was handled between them."""
        was, now = self.was, self.now.totals
        waits = min(was["unread"], now["unread"]) > 0
        return waits and was["fanned"] + was["unmatched"] == now["fanned"] + now["unmatched"]


class Dispatcher(NamedTuple):
    """A member of the list, seen twice; `before` is None when it joined meanwhile."""

    name: str
    before: Member | None
    after: Member

    @property
    def alive(self) -> bool:
        """Whether it beat between the two looks."""
        return self.before is None or self.before.beat != self.after.beat


class Subject(NamedTuple):
    """An endpoint: its health, what waits for it (counted only if it is held), its breaker unless that is closed.

    `sealed` says why its secrets do not open with the keys that are given; '' when they do, or nothing was tried.
    """

    endpoint: Endpoint
    health: Health = Health()
    held: int = 0
    breaker: Breaker | None = None
    sealed: str = ""
    filter_errors: FilterErrors | None = None


class Letters(NamedTuple):
    """The dead letters: all of them, the oldest, and how the `looked` newest died, by (endpoint id, reason)."""

    total: int = 0
    oldest_ms: int | None = None
    looked: int = 0
    reasons: Mapping[tuple[str, str], int] = {}


class Facts(NamedTuple):
    """Everything; `ahead_ms` is how far our clock is ahead of the store's, `vault` why there is no key, or ''."""

    settings: Settings
    store: Store
    vitals: vitals.Snapshot
    partitions: Sequence[Partition]
    dispatchers: Sequence[Dispatcher]
    ahead_ms: int
    vault: str
    endpoints: Sequence[Subject]
    dead: Letters

    @property
    def now_ms(self) -> int:
        """Store time of the second look."""
        return self.vitals.now_ms
