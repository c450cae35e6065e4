"""The measurements, one function per row of the table; each has a fresh system and a bounded time."""

import dataclasses
from collections.abc import Callable
from typing import Any

from tests.bench import isolation, matching, varied, wide
from tests.bench.figures import Figure
from tests.bench.rig import PAYLOAD_BYTES, Rig, spent

BATCH = 100
NULL_APP = ("tests.bench.null_app",)
_DRAIN_SECONDS = 60.0


@dataclasses.dataclass(slots=True)
class Bench:
    """How long to measure, and what was found so far."""

    quick: bool = False
    partitions: int = 4
    maximum: float | None = None

    @property
    def seconds(self) -> float:
        """Of load in one measurement."""
        return 2.5 if self.quick else 8.0

    @property
    def backlog(self) -> int:
        """Events to drain."""
        return 10_000 if self.quick else 50_000


def ingest(bench: Bench) -> list[Figure]:
    """Events per second into the log, and into the same route without a store."""
    rates: dict[str, dict[str, Any]] = {}
    cpu: dict[str, float] = {}
    for name, modules in (("store", None), ("nothing", {"gateway": NULL_APP})):
        with Rig(dispatchers=0, partitions=bench.partitions, modules=modules) as rig:
            rig.warm_up()
            before = rig.cpu()
            rates[name] = rig.load(seconds=bench.seconds / 2)
            if name == "store":
                cpu = spent(before, rig.cpu(), rates[name]["events"] / 1_000)
    stored, nothing = rates["store"], rates["nothing"]
    facts = {**_acknowledged(stored), "cpu_s_per_1000": _without(cpu, "dispatcher", "sink")}
    return [
        Figure("ingest, 64 connections, 1 KB, closed loop", stored["rate"], "events/s", ">= 8000", facts),
        Figure("the same route without storage", nothing["rate"], "events/s", "", _acknowledged(nothing)),
        Figure("ingest, ratio to no storage", stored["rate"] / nothing["rate"], "", ">= 0.8"),
    ]


def batches(bench: Bench) -> list[Figure]:
    """Events in batches of 100: with ids alone, and with ordering keys, which need a claim of each id beside."""
    figures = []
    for name, subjects, goal in (("", 0, ">= 50000"), (", with ordering keys", 1_000, "")):
        with Rig(dispatchers=0, partitions=bench.partitions) as rig:
            rig.load(seconds=0.5, batch=BATCH, connections=8, subjects=subjects)
            before = rig.cpu()
            result = rig.load(seconds=bench.seconds / 2, batch=BATCH, connections=32, subjects=subjects)
            cpu = spent(before, rig.cpu(), result["events"] / 1_000)
        cpu["generator"] = round(result["cpu_us_per_event"] / 1_000, 4)
        facts = {**_acknowledged(result), "cpu_s_per_1000": _without(cpu, "dispatcher", "sink")}
        figures.append(Figure(f"ingest in batches of {BATCH}, 1 KB{name}", result["rate"], "events/s", goal, facts))
    return figures


def end_to_end(bench: Bench) -> list[Figure]:
    """1 event to 1 endpoint as fast as it goes, closed loop; CPU by process."""
    with Rig(dispatchers=1, partitions=bench.partitions) as rig:
        rig.warm_up()
        before = rig.cpu()
        result = rig.load(seconds=bench.seconds)
        stats = rig.sink.wait_received(result["events"], _DRAIN_SECONDS)
        cpu = spent(before, rig.cpu(), result["events"] / 1_000)
    bench.maximum = rate = result["events"] / ((stats["last_ns"] - result["begun_ns"]) / 1e9)
    cpu["generator"] = round(result["cpu_us_per_event"] / 1_000, 4)
    facts = {"accepted_rate": result["rate"], "e2e_ms": stats["latency_ms"], **_acknowledged(result)}
    return [
        Figure("end to end 1 -> 1, closed loop", rate, "events/s", ">= 8000", facts),
        Figure("CPU per 1,000 deliveries: dispatcher and store", cpu["dispatcher"] + cpu["store"], "s", "<= 0.11"),
        *(Figure(f"CPU per 1,000 deliveries: {name}", value, "s") for name, value in cpu.items()),
    ]


def end_to_end_open(bench: Bench) -> list[Figure]:
    """1 event to 1 endpoint at the goal's rate, or nine tenths of the maximum when that is less."""
    rate = min(8_000.0, round(0.9 * _maximum(bench)))
    result, stats = _at_rate(bench, rate, bench.seconds)
    delivered = result["events"] / ((stats["last_ns"] - result["begun_ns"]) / 1e9)
    facts = {"offered": rate, "refused": result["refused"], "e2e_ms": stats["latency_ms"]}
    return [Figure("end to end 1 -> 1, open loop", delivered, "events/s", "", facts)]


def latency(bench: Bench) -> list[Figure]:
    """From the intended instant of publishing to the request at the receiver, at 10/s and at half of the maximum."""
    figures = []
    half = round(_maximum(bench) / 2)
    for name, rate, goals in (
        ("10 events/s", 10.0, ("<= 3", "<= 8")),
        (f"half of maximum ({half}/s)", half, ("", "<= 20")),
    ):
        result, stats = _at_rate(bench, rate, bench.seconds)
        facts = {"generator_late_ms": result["lateness_ms"], **_acknowledged(result)}
        for mark, goal in zip(("p50", "p99"), goals, strict=True):
            figures.append(Figure(f"end to end at {name}, {mark}", stats["latency_ms"][mark], "ms", goal, facts))
            facts = {}
    return figures


def drain(bench: Bench) -> list[Figure]:
    """A backlog delivered by one dispatcher, and by two."""
    figures = []
    for dispatchers, goal in ((1, ""), (2, ">= 16000")):
        with Rig(dispatchers=dispatchers, partitions=bench.partitions) as rig:
            rig.warm_up(0.5)
            rig.system.wait_balanced()
            done = rig.drain(bench.backlog, _DRAIN_SECONDS)
        cpu = _without(done.cpu, "gateway")
        facts = {"events": done.events, "loaded_per_s": done.loaded_rate, "cpu_s_per_1000": cpu}
        text = f"drain of {bench.backlog:,} by {dispatchers} dispatcher{'s' * (dispatchers > 1)}"
        figures.append(Figure(text, done.rate, "deliveries/s", goal, facts))
    return figures


def fan_out(bench: Bench) -> list[Figure]:
    """1 event to 10 endpoints as fast as it goes."""
    return [_fan_out(bench, 1, ""), _fan_out(bench, 2, ">= 15000")]


def _fan_out(bench: Bench, dispatchers: int, goal: str) -> Figure:
    with Rig(dispatchers=dispatchers, endpoints=10, partitions=bench.partitions) as rig:
        rig.warm_up(0.3)
        before = rig.cpu()
        result = rig.load(seconds=bench.seconds / 2)
        deliveries = result["events"] * rig.endpoints
        stats = rig.sink.wait_received(deliveries, _DRAIN_SECONDS)
        cpu = spent(before, rig.cpu(), deliveries / 1_000)
    rate = deliveries / ((stats["last_ns"] - result["begun_ns"]) / 1e9)
    facts = {"accepted_rate": result["rate"], "cpu_s_per_1000": cpu}
    name = f"fan-out 1 -> 10, by {dispatchers} dispatcher{'s' * (dispatchers > 1)}"
    return Figure(name, rate, "deliveries/s", goal, facts)


def memory(bench: Bench) -> list[Figure]:
    """What an event with one delivery and its attempt costs in the store over its payload."""
    count = 5_000 if bench.quick else 20_000
    with Rig(dispatchers=1, partitions=bench.partitions) as rig:
        rig.warm_up(0.5)
        before = rig.used_memory()
        result = rig.load(count=count)
        rig.sink.wait_received(result["events"], _DRAIN_SECONDS)
        rig.system.wait_drained(_DRAIN_SECONDS)
        grown = rig.used_memory() - before
    each = grown / result["events"] - PAYLOAD_BYTES
    return [Figure("store bytes per event over its payload", each, "B", "<= 500", {"events": result["events"]})]


MEASURES: dict[str, Callable[[Bench], list[Figure]]] = {
    "ingest": ingest,
    "batches": batches,
    "end_to_end": end_to_end,
    "open": end_to_end_open,
    "drain": drain,
    "fan_out": fan_out,
    "latency": latency,
    "memory": memory,
    **varied.MEASURES,
    "isolation": lambda bench: isolation.measure(bench.quick),
    "matching": matching.measure,
    "wide": lambda bench: wide.measure(quick=bench.quick),
}


def _at_rate(bench: Bench, rate: float, seconds: float) -> tuple[dict[str, Any], dict[str, Any]]:
    with Rig(dispatchers=1, partitions=bench.partitions) as rig:
        rig.warm_up(0.5)
        result = rig.load(seconds=seconds, rate=rate, connections=128)
        return result, rig.sink.wait_received(result["events"], _DRAIN_SECONDS)


def _maximum(bench: Bench) -> float:
    if bench.maximum is None:
        end_to_end(bench)
    return bench.maximum or 0.0


def _acknowledged(result: dict[str, Any]) -> dict[str, Any]:
    ms = result["latency_ms"]
    return {"ack_p50_ms": ms["p50"], "ack_p99_ms": ms["p99"], "refused": result["refused"]}


def _without(cpu: dict[str, float], *names: str) -> dict[str, float]:
    return {name: value for name, value in cpu.items() if name not in names}
