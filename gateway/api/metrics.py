"""`/metrics`: the system in the text format of Prometheus, read from the store when it is asked for.

The counters belong to the deployment, not to this process: every gateway answers the same, and a restart loses nothing.
A counter that retention cannot lower ends in `_total`; what goes up and down is a gauge.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from gateway.store import ledger, vitals
from gateway.store.vitals import Snapshot

HELD_FOR = ("paused", "breaker", "order")


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
        yield from _totals(self._snapshot.totals)
        yield from _partitions(self._snapshot)
        yield _breakers(self._snapshot)
        yield GaugeMetricFamily(
            "hookline_filter_errors", "Evaluations of filters that had no answer.", self._snapshot.filters.times
        )
        yield GaugeMetricFamily(
            "hookline_filters_failing", "Endpoints whose filter had no answer.", self._snapshot.filters.endpoints
        )
        yield _attempt_seconds(partition.timing for partition in self._snapshot.partitions)
        memory = self._snapshot.memory
        yield GaugeMetricFamily("hookline_store_memory_bytes", "Memory of the store in use.", memory.used)
        yield GaugeMetricFamily("hookline_store_memory_limit_bytes", "Its limit; 0: none.", memory.limit)
        hours = vitals.hours_until_full(self._snapshot)
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
    held = GaugeMetricFamily(
        "hookline_deliveries_held_by_reason", "Deliveries that are held, by what they wait for.", labels=["reason"]
    )
    for reason in HELD_FOR:
        held.add_metric([reason], totals.get(f"held_{reason}", 0))
    yield held


def _partitions(snapshot: Snapshot) -> Iterator[Metric]:
    lag = GaugeMetricFamily(
        "hookline_partition_lag_seconds", "Age of the oldest event not yet fanned out.", labels=["partition"]
    )
    unread = GaugeMetricFamily(
        "hookline_partition_unread_events", "Events whose fan-out is not recorded yet.", labels=["partition"]
    )
    late = GaugeMetricFamily(
        "hookline_partition_retry_late_seconds", "How long the earliest retry is overdue.", labels=["partition"]
    )
    for partition in snapshot.partitions:
        number = [str(partition.number)]
        lag.add_metric(number, partition.lag_seconds)
        unread.add_metric(number, partition.totals["unread"])
        late.add_metric(number, partition.late_seconds)
    yield from (lag, unread, late)


def _breakers(snapshot: Snapshot) -> Metric:
    found = GaugeMetricFamily("hookline_breakers", "Endpoints whose breaker is not closed.", labels=["state"])
    half_open = sum(breaker.half_open for breaker in snapshot.breakers.values())
    found.add_metric(["open"], len(snapshot.breakers) - half_open)
    found.add_metric(["half_open"], half_open)
    return found


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
