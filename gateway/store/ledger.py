"""The ledger: what the counters say, held against what is there.

Two identities, exact by the scripts, since every transition changes its counters in the same script:

    events      accepted = unread + matched nobody + fanned out
    deliveries  created  = pending + scheduled + held + delivered + dead + skipped

`recount` counts again from the things themselves: entries of the log before and after the recorded mark, entries of
`fanned` with and without endpoints, every record by its state; what retention removed is added from `trimmed`.

A running system moves while it is counted. A partition's recount is compared exactly if its counters were the same
before and after it, and is repeated a few times until that is so. A partition that never stands still is compared as
far as that proves something: what only grows must lie between the counters before and after. Then `settled` is False.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.store import deliveries, keys, scripts, walk

TRIES = 5
EVENTS = ("unread", "unmatched", "fanned")
DELIVERIES = tuple(state.name.lower() for state in model.State)
COMPARED = ("accepted", *EVENTS, "created", *DELIVERIES)
GROWING = ("accepted", "unmatched", "fanned", "created")
_AT_ONCE = 1_000
_CHUNK = 256

Totals = Mapping[str, int]


class Balance(NamedTuple):
    """`counted` are the counters, `found` the recount, both over all hours; `differences` are (counted, found).

    `settled` is False when a partition moved during every recount, so that `found` is only near.
    """

    counted: Totals
    found: Totals
    differences: Mapping[str, tuple[int, int]]
    settled: bool

    @property
    def events_add_up(self) -> bool:
        """The first identity, of the counters."""
        return self.counted["accepted"] == sum(self.counted[name] for name in EVENTS)

    @property
    def deliveries_add_up(self) -> bool:
        """The second identity, of the counters."""
        return self.counted["created"] == sum(self.counted[name] for name in DELIVERIES)

    @property
    def foreign(self) -> int:
        """How many entries of the log seem to be of somebody else than a gateway; 0 if that does not explain it all.

        Such an entry is handled (as poison, if it is no event), but nobody counted its acceptance.
        """
        if set(self.differences) != {"accepted", "unread"}:
            return 0
        more = {found - counted for counted, found in self.differences.values()}
        return max(0, more.pop()) if len(more) == 1 else 0

    @property
    def balanced(self) -> bool:
        """Whether both identities hold and the recount found nothing else."""
        return self.events_add_up and self.deliveries_add_up and not self.differences


class Snapshot(NamedTuple):
    """The counters of one partition at one moment, and what retention removed until then."""

    counters: Totals
    trimmed: Totals


def total(fields: Mapping[bytes, bytes]) -> Totals:
    """Sums over all hours from a hash of `hour:name`; every compared name is there."""
    sums = dict.fromkeys(COMPARED, 0)
    for field, value in fields.items():
        name = field.split(b":", 1)[1].decode()
        sums[name] = sums.get(name, 0) + int(value)
    return sums


def add(parts: Iterable[Totals]) -> Totals:
    """Sums by name."""
    sums = dict.fromkeys(COMPARED, 0)
    for part in parts:
        for name, value in part.items():
            sums[name] = sums.get(name, 0) + value
    return sums


def compare(before: Snapshot, found: Totals, after: Snapshot) -> list[str]:
    """The names whose recount contradicts the counters taken before and after it."""
    if before == after:
        return [name for name in COMPARED if found[name] != after.counters[name]]
    if before.trimmed != after.trimmed:
        return []
    return [name for name in GROWING if not before.counters[name] <= found[name] <= after.counters[name]]


def line(totals: Totals) -> str:
    """Both identities with their figures, for people."""
    events = zip(("unread", "matched nobody", "fanned out"), EVENTS, strict=True)
    return (
        f"accepted {totals['accepted']} = {_sum((label, totals[name]) for label, name in events)} · "
        f"deliveries {totals['created']} = {_sum((name, totals[name]) for name in DELIVERIES)}"
    )


def _sum(terms: Iterable[tuple[str, int]]) -> str:
    return " + ".join(f"{label} {value}" for label, value in terms)


async def snapshot(redis: Redis, partition: keys.PartitionKeys) -> Snapshot:
    """The counters of a partition, all at one moment."""
    pipeline = redis.pipeline(transaction=True)
    pipeline.hgetall(partition.counters)
    pipeline.hgetall(partition.trimmed)
    counters, trimmed = await pipeline.execute()
    return Snapshot(total(counters), total(trimmed))


async def recount(redis: Redis, partitions: Sequence[keys.PartitionKeys], tries: int = TRIES) -> Balance:
    """Count everything again, partition by partition; reads only. Takes time with the number of deliveries kept."""
    counted, found, wrong, settled = [], [], set(), True
    for partition in partitions:
        for _ in range(tries):
            before = await snapshot(redis, partition)
            there = add((before.trimmed, await _count(redis, partition)))
            after = await snapshot(redis, partition)
            if before == after:
                break
        settled = settled and before == after
        counted.append(after.counters)
        found.append(there)
        wrong |= set(compare(before, there, after))
    counters, recounted = add(counted), add(found)
    differences = {name: (counters[name], recounted[name]) for name in COMPARED if name in wrong}
    return Balance(counters, recounted, differences, settled)


async def _count(redis: Redis, partition: keys.PartitionKeys) -> Totals:
    unmatched, fanned = await _count_fanned(redis, partition)
    records = [await _count_records(redis, partition.records(minute)) for minute in await _minutes(redis, partition)]
    states = add(records)
    return {
        **states,
        "accepted": int(await redis.xlen(partition.log)),
        "unread": await _count_unread(redis, partition),
        "unmatched": unmatched,
        "fanned": fanned,
        "created": sum(states[name] for name in DELIVERIES),
    }


async def _count_unread(redis: Redis, partition: keys.PartitionKeys) -> int:
    mark: Any = await redis.get(partition.recorded)
    unread, last = 0, mark or b"0-0"
    while True:
        some, end = await scripts.load("tally")(redis, [partition.log], (b"(" + last, _CHUNK))
        if not some:
            return unread
        unread, last = unread + some, end


async def _count_fanned(redis: Redis, partition: keys.PartitionKeys) -> tuple[int, int]:
    """(matched nobody, fanned out)."""
    unmatched = fanned = 0
    span, resume, ended = walk.Span(ascending=True), b"", False
    while not ended:
        args = (*walk.stream_range(span, resume), _CHUNK)
        answer = await scripts.load("scan_stream")(redis, [partition.fanned], args)
        empty = sum(1 for packed in answer[2::3] if not packed)
        unmatched, fanned = unmatched + empty, fanned + len(answer[2::3]) - empty
        resume, ended = answer[-3] if len(answer) > 1 else resume, answer[0] == b"0"
    return unmatched, fanned


async def _count_records(redis: Redis, key: str) -> Totals:
    """Records of one minute by state; HSCAN may give one twice while the hash grows."""
    seen: dict[bytes, int] = {}
    async for field, record in redis.hscan_iter(key, count=_AT_ONCE):
        seen[field] = record[0]
    counts = dict.fromkeys(DELIVERIES, 0)
    for state in seen.values():
        counts[model.State(state).name.lower()] += 1
    return counts


async def _minutes(redis: Redis, partition: keys.PartitionKeys) -> list[int]:
    """The minutes that have records: between the oldest and the newest thing that may have one."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.hkeys(partition.kept)
    for key in (partition.open, partition.dead):
        pipeline.zrange(key, 0, 0, withscores=True)
        pipeline.zrange(key, -1, -1, withscores=True)
    kept, *ranges = await pipeline.execute()
    times = [ids.parse_stream_id(stream_id)[0] for stream_id in kept]
    times += [int(score) for found in ranges for _, score in found]
    for direction in ("asc", "desc"):
        span = walk.Span(ascending=direction == "asc")
        args = (*walk.stream_range(span, b""), 1)
        for stream in (partition.log, partition.fanned):
            names = [stream, stream] if stream == partition.log else [stream]
            answer = await scripts.load("scan" if stream == partition.log else "scan_stream")(redis, names, args)
            times += [ids.parse_stream_id(stream_id)[0] for stream_id in answer[1::3]]
    if not times:
        return []
    first, last = min(times) // ids.MINUTE_MS, max(times) // ids.MINUTE_MS
    return await deliveries.with_records(redis, partition, range(first, last + 1))
