"""Facts of a sound system, to be changed in one place by each test."""

from typing import Any

from gateway.cli.doctor.facts import Dispatcher, Facts, Letters, Partition, Store, Subject
from gateway.cli.doctor.findings import MB
from gateway.model.endpoint import Endpoint, Health
from gateway.settings import Settings
from gateway.store import vitals
from gateway.store.durability import Memory
from gateway.store.leases import Lease
from gateway.store.ledger import COMPARED
from gateway.store.members import Member

NOW = 1_700_000_000_000
HOUR = 3_600_000
BEFORE, AFTER = Lease("d1", "t", 1), Lease("d1", "t", 2)


def counters(**figures: int) -> dict[bytes, bytes]:
    """A partition's counters, all of one hour."""
    return {f"1:{name}".encode(): str(figure).encode() for name, figure in figures.items()}


def partition(number: int = 0, *, lag: float = 0.0, late: float = 0.0, **figures: int) -> Partition:
    """An owned partition whose figures stand still."""
    now = vitals.Partition(number, counters(**figures), figures.get("fanned", 0), lag, {}, late)
    return Partition(BEFORE, AFTER, {**dict.fromkeys(COMPARED, 0), **figures}, now)


def dispatcher(name: str = "d1", *, alive: bool = True, ahead_ms: int | None = 3) -> Dispatcher:
    """A member of the list."""
    return Dispatcher(name, Member(1, ahead_ms), Member(2 if alive else 1, ahead_ms))


def endpoint(**fields: Any) -> Endpoint:
    """An endpoint of `acme`."""
    return Endpoint(
        **{"id": "ep_1", "number": 1, "subscriber": "acme", "kind": "internal", "url": "http://x/", **fields}
    )


def subject(health: Health | None = None, **fields: Any) -> Subject:
    """An endpoint with what is known of it."""
    known = {name: fields.pop(name) for name in ("held", "breaker", "sealed", "filter_errors") if name in fields}
    return Subject(endpoint(**fields), health or Health(), **known)


def facts(**given: Any) -> Facts:
    """A sound system; `partitions`, `memory` and other facts as given."""
    partitions = given.pop("partitions", [partition(0, delivered=7), partition(1)])
    memory = given.pop("memory", Memory(10 * MB, 100 * MB))
    taken = vitals.Snapshot(NOW, memory, MB, [one.now for one in partitions])
    settings = Settings(redis_url="redis://store", partitions=2, encryption_keys="k1:AAAA")
    sound = Facts(settings, Store([], {}, 2), taken, partitions, [dispatcher()], 4, "", [], Letters())
    return sound._replace(**given)
