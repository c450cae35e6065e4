"""`/metrics`: the system in the text format of Prometheus, read from the store when it is asked for.

The counters belong to the deployment, not to this process: every gateway answers the same, and a restart loses nothing.
A counter that retention cannot lower ends in `_total`; what goes up and down is a gauge.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from redis.asyncio import Redis

from gateway import ids
from gateway.store import connection, durability, ledger
from gateway.store.keys import PartitionKeys

FULL_SHARE = 0.90
"""From this share of its memory on, events are refused."""
_HOUR_SECONDS = 3_600
_MINIMUM_SPAN_SECONDS = 60


class Partition(NamedTuple):
    """What was read of one partition: its counters by `hour:name`, the entries of its log, the lag, attempt times."""

    number: int
    counters: Mapping[bytes, bytes]
    entries: int
    lag_seconds: float
    timing: Mapping[bytes, bytes]


class Snapshot(NamedTuple):
    """Everything that is shown; `now_ms` is store time, `empty_bytes` the memory of the store without any data."""

    now_ms: int
    memory: durability.Memory
    empty_bytes: int
    partitions: Sequence[Partition]


async def take(redis: Redis, partitions: Sequence[PartitionKeys]) -> Snapshot:
    """Read it, in few round trips. Raises redis errors."""
    now_ms = await connection.store_ms(redis)
    memory = await durability.memory(redis)
    info: Any = await redis.info("memory")
    pipeline = redis.pipeline(transaction=False)
    for keys in partitions:
        pipeline.hgetall(keys.counters)
        pipeline.xlen(keys.log)
        pipeline.get(keys.recorded)
        pipeline.hgetall(keys.timing)
    rows = await pipeline.execute()
    marks = [rows[at] for at in range(2, len(rows), 4)]
    lags = await _lags(redis, partitions, marks, now_ms)
    found = [
        Partition(keys.number, rows[4 * at], rows[4 * at + 1], lags[at], rows[4 * at + 3])
        for at, keys in enumerate(partitions)
    ]
    return Snapshot(now_ms, memory, int(info.get("used_memory_startup", 0)), found)


async def _lags(
    redis: Redis, partitions: Sequence[PartitionKeys], marks: Sequence[bytes | None], now_ms: int
) -> list[float]:
    """Age in seconds of the oldest event of each partition whose fan-out is not recorded; 0 if there is none."""
    pipeline = redis.pipeline(transaction=False)
    for keys, mark in zip(partitions, marks, strict=True):
        after = b"(" + mark if mark else b"-"
        pipeline.xrange(keys.log, after, b"+", count=1)
    lags = []
    for entries in await pipeline.execute():
        first_ms = ids.parse_stream_id(entries[0][0])[0] if entries else now_ms
        lags.append(max(now_ms - first_ms, 0) / 1_000)
    return lags


def hours_until_full(snapshot: Snapshot) -> float:
    """Hours until events are refused if they go on coming as in the last hour and nothing is removed; inf if never.

    Bytes per event are those of the store as it is. Retention, which removes, makes it later.
    """
    entries = sum(partition.entries for partition in snapshot.partitions)
    per_second = _accepted_per_second(snapshot)
    if not snapshot.memory.limit or not entries or not per_second:
        return math.inf
    room = max(snapshot.memory.limit * FULL_SHARE - snapshot.memory.used, 0)
    per_event = max(snapshot.memory.used - snapshot.empty_bytes, 1) / entries
    return room / (per_event * per_second) / _HOUR_SECONDS


def _accepted_per_second(snapshot: Snapshot) -> float:
    """Over the running hour, and over the one before as long as the running one is young."""
    hour, into_ms = divmod(snapshot.now_ms, ids.HOUR_MS)
    current = before = 0
    for partition in snapshot.partitions:
        current += int(partition.counters.get(b"%d:accepted" % hour, 0))
        before += int(partition.counters.get(b"%d:accepted" % (hour - 1), 0))
    if before:
        return (current + before) / (_HOUR_SECONDS + into_ms / 1_000)
    return current / max(into_ms / 1_000, _MINIMUM_SPAN_SECONDS)


def render(snapshot: Snapshot) -> bytes:
    """The answer's body."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


class _Collector:
    """One snapshot as metric families."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Everything, in the order of an event's way."""
        totals = ledger.add(ledger.total(partition.counters) for partition in self._snapshot.partitions)
        yield from _totals(totals)
        lag = GaugeMetricFamily(
            "hookline_partition_lag_seconds", "Age of the oldest event not yet fanned out.", labels=["partition"]
        )
        for partition in self._snapshot.partitions:
            lag.add_metric([str(partition.number)], partition.lag_seconds)
        yield lag
        yield _attempt_seconds(partition.timing for partition in self._snapshot.partitions)
        memory = self._snapshot.memory
        yield GaugeMetricFamily("hookline_store_memory_bytes", "Memory of the store in use.", memory.used)
        yield GaugeMetricFamily("hookline_store_memory_limit_bytes", "Its limit; 0: none.", memory.limit)
        hours = hours_until_full(self._snapshot)
        yield GaugeMetricFamily(
            "hookline_store_hours_until_full", "Hours until events are refused at this rate.", hours
        )


def _totals(totals: ledger.Totals) -> Iterator[Metric]:
    counters = {
        "hookline_events_accepted": ("Events taken in.", "accepted"),
        "hookline_events_fanned_out": ("Events recorded with at least one delivery.", "fanned"),
        "hookline_events_unmatched": ("Events that nobody wanted.", "unmatched"),
        "hookline_deliveries_created": ("Deliveries made.", "created"),
        "hookline_deliveries_delivered": ("Deliveries that ended with a 2xx.", "delivered"),
        "hookline_attempts": ("HTTP requests sent.", "attempts"),
        "hookline_attempts_failed": ("HTTP requests that did not end with a 2xx.", "failed"),
    }
    for name, (text, counter) in counters.items():
        yield CounterMetricFamily(name, text, totals.get(counter, 0))
    gauges = {
        "hookline_events_unread": ("Events whose fan-out is not recorded yet.", "unread"),
        "hookline_deliveries_pending": ("Deliveries whose attempt runs or waits for capacity.", "pending"),
        "hookline_deliveries_scheduled": ("Deliveries that wait for their next attempt.", "scheduled"),
        "hookline_deliveries_held": ("Deliveries that are held.", "held"),
        "hookline_deliveries_dead": ("Dead letters.", "dead"),
        "hookline_deliveries_skipped": ("Deliveries that were skipped.", "skipped"),
    }
    for name, (text, counter) in gauges.items():
        yield GaugeMetricFamily(name, text, totals.get(counter, 0))


def _attempt_seconds(timings: Iterable[Mapping[bytes, bytes]]) -> Metric:
    """The histogram from fields `<bound in ms>`, `+Inf`, each counting its own bucket, and `sum` in microseconds."""
    sums: dict[str, int] = {}
    for timing in timings:
        for field, value in timing.items():
            sums[field.decode()] = sums.get(field.decode(), 0) + int(value)
    total_seconds = sums.pop("sum", 0) / 1_000_000
    sums.pop("count", None)
    beyond = sums.pop("+Inf", 0)
    buckets: list[Any] = []
    cumulative = 0
    for bound in sorted(sums, key=int):
        cumulative += sums[bound]
        buckets.append((repr(int(bound) / 1_000), cumulative))
    buckets.append(("+Inf", cumulative + beyond))
    return HistogramMetricFamily(
        "hookline_attempt_seconds", "Duration of attempts.", buckets=buckets, sum_value=total_seconds
    )
