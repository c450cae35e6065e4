"""What `hookline doctor` looks at, and what it concludes. `look` reads; `judge` decides, without a store or a clock.

Whether somebody is alive shows only in time: a lease whose beat does not rise within `WATCH_SECONDS` has no living
owner, and a partition that has unread events and handles none in that time stands still.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from gateway import rfc3339
from gateway.clock import Clock
from gateway.model.endpoint import Endpoint, Health
from gateway.store import durability, leases, ledger
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry

WATCH_SECONDS = 2.5 * leases.BEAT_SECONDS
FILLING = 0.8
"""Share of memory from which the oldest delivered events go early; from 0.9 publishers are told 503."""
MB = 1_048_576


class Finding(NamedTuple):
    """One line of the doctor: `risk` is something to act on."""

    risk: bool
    subject: str
    text: str


class Partition(NamedTuple):
    """A partition, seen twice."""

    before: leases.Lease
    after: leases.Lease
    books_before: ledger.Totals
    books_after: ledger.Totals

    @property
    def owned(self) -> bool:
        """Whether its owner beat between the two looks."""
        return bool(self.after.owner) and self.before != self.after

    @property
    def stands_still(self) -> bool:
        """Whether events waited at both looks and none was handled between them."""
        waits = min(self.books_before["unread"], self.books_after["unread"]) > 0
        return waits and _handled(self.books_before) == _handled(self.books_after)


class Facts(NamedTuple):
    """Everything that was read."""

    risks: Sequence[durability.Risk]
    memory: durability.Memory
    partitions: Sequence[Partition]
    endpoints: Sequence[tuple[Endpoint, Health]]


def _handled(books: ledger.Totals) -> int:
    return books["fanned"] + books["unmatched"]


async def look(redis: Redis, clock: Clock) -> Facts:
    """Read everything; takes `WATCH_SECONDS`. Raises redis.exceptions.RedisError."""
    registry = Registry(redis, clock)
    meta = await registry.meta()
    partitions = [PartitionKeys(number, meta.partitions) for number in range(meta.partitions)] if meta else []
    leases_before, books_before = await _watch(redis, partitions)
    if partitions:
        await clock.sleep(WATCH_SECONDS)
    leases_after, books_after = await _watch(redis, partitions)
    endpoints = await registry.list_endpoints()
    health = await HealthStore(redis).get([endpoint.number for endpoint in endpoints])
    return Facts(
        await durability.check(redis),
        await durability.memory(redis),
        [Partition(*seen) for seen in zip(leases_before, leases_after, books_before, books_after, strict=True)],
        [(endpoint, health.get(endpoint.number, Health())) for endpoint in endpoints],
    )


async def _watch(redis: Redis, partitions: Sequence[PartitionKeys]) -> tuple[list[leases.Lease], list[ledger.Totals]]:
    books = [(await ledger.snapshot(redis, partition)).counters for partition in partitions]
    return await leases.peek(redis, partitions), books


def judge(facts: Facts) -> list[Finding]:
    """What there is to say, in the order of the way of an event."""
    return [
        *_store(facts.risks),
        *_memory(facts.memory),
        *_owners(facts.partitions),
        *_log(facts.partitions),
        *_deliveries(facts.partitions),
        *_endpoints(facts.endpoints),
    ]


def _store(risks: Sequence[durability.Risk]) -> Iterator[Finding]:
    if not risks:
        yield Finding(False, "store", "durable: each write is on disk before its answer")
    for risk in risks:
        yield Finding(True, "store", risk.text)


def _memory(memory: durability.Memory) -> Iterator[Finding]:
    used = f"{memory.used / MB:,.0f} MB"
    if not memory.limit:
        yield Finding(False, "memory", f"{used} used, no limit is known")
        return
    text = f"{used} of {memory.limit / MB:,.0f} MB ({memory.share:.0%})"
    if memory.share >= FILLING:
        text += ": the oldest delivered events go early; give the store more memory or shorten HOOKLINE_RETENTION"
    yield Finding(memory.share >= FILLING, "memory", text)


def _owners(partitions: Sequence[Partition]) -> Iterator[Finding]:
    if not partitions:
        yield Finding(True, "dispatchers", "nothing was ever started on this store: run `hookline up`")
        return
    alive = {partition.after.owner for partition in partitions if partition.owned}
    orphans = [str(number) for number, partition in enumerate(partitions) if not partition.owned]
    if not alive:
        yield Finding(True, "dispatchers", "none is alive, nothing is delivered: start one with `hookline dispatcher`")
    elif orphans:
        yield Finding(
            True,
            "dispatchers",
            f"{len(alive)} alive, but nobody owns partition {', '.join(orphans)}: a live dispatcher takes it within "
            f"{leases.LEASE_SECONDS:g} s; if not, look at its log",
        )
    else:
        yield Finding(False, "dispatchers", f"{len(alive)} alive, all {len(partitions)} partitions owned")


def _log(partitions: Sequence[Partition]) -> Iterator[Finding]:
    unread = sum(partition.books_after["unread"] for partition in partitions)
    still = [str(number) for number, partition in enumerate(partitions) if partition.stands_still]
    if still:
        yield Finding(
            True,
            "log",
            f"{unread:,} events wait and partition {', '.join(still)} handles none: look at the dispatchers",
        )
    else:
        yield Finding(False, "log", f"{unread:,} events wait to be read" if unread else "every event was read")


def _deliveries(partitions: Sequence[Partition]) -> Iterator[Finding]:
    books = ledger.add(partition.books_after for partition in partitions)
    waiting = ", ".join(f"{books[name]:,} {name}" for name in ("pending", "scheduled", "held", "dead") if books[name])
    yield Finding(False, "deliveries", f"{books['delivered']:,} delivered{', ' + waiting if waiting else ''}")


def _endpoints(endpoints: Sequence[tuple[Endpoint, Health]]) -> Iterator[Finding]:
    troubled = 0
    for endpoint, health in endpoints:
        name = f"{endpoint.id} of {endpoint.subscriber}"
        if endpoint.status == "disabled":
            troubled += 1
            reason = endpoint.disabled_reason or "operator"
            text = f"{name} is disabled ({reason}): POST /v1/endpoints/{endpoint.id}/enable brings it back"
            yield Finding(reason != "operator", "endpoint", text)
        elif health.failing_since_ms is not None:
            troubled += 1
            last = health.last_failure
            how = "" if last is None else f", last {last.error}{'' if last.status is None else f' {last.status}'}"
            since = rfc3339.format_ms(health.failing_since_ms)
            yield Finding(True, "endpoint", f"{name} fails since {since}{how}: its receiver needs help")
    if len(endpoints) > troubled:
        rest = "the other " if troubled else ""
        yield Finding(False, "endpoints", f"{rest}{len(endpoints) - troubled:,} in order")
