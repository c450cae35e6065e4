"""A backlog (FAULTS 1, row 17; a million deliveries in the long form) stands in the store, not in a process.

Taking events in is as quick as without it, and the dispatcher's memory does not know of it.
"""

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import Start
from tests.chaos.lengths import LONG, length
from tests.chaos.receivers import balances, register
from tests.support.process import Process, resident_bytes
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
BACKLOG = length(12_000, 1_000_000)
RATE = 300
SECONDS = length(1, 10)
TIMES = 3
"""The best of so many measurements is taken, before and with the backlog: the machine has other things to do."""
LARGEST_RATIO = 2.0
QUICK_MS = 12.0
"""Below this the machine's other work decides, not the backlog."""
LARGEST_GROWTH = 24 * 1_048_576
"""What caches may take while a first large batch goes through."""
SLOW_MS = 1_000.0


def load(system: System, directory: Path, *arguments: str) -> dict[str, Any]:
    """One run of the load generator; its result."""
    process = Process(
        "load", ["tests.support.loadgen", "--port", str(system.port), "--key", system.key, *arguments], directory
    )
    process.start()
    assert process.finish(SECONDS + BACKLOG / 500) == 0, process.output()
    result = process.first_json()
    assert not result["refused"], result
    return result


def ingest_p99_ms(system: System, directory: Path) -> float:
    """Of events that nobody gets, at a steady rate."""
    arguments = ("--rate", str(RATE), "--seconds", str(SECONDS), "--type", "probe.event")
    runs = [load(system, directory, *arguments) for _ in range(TIMES)]
    return min(float(run["latency_ms"]["p99"]) for run in runs)


@pytest.mark.timeout(1_200 if LONG else 120)
def test_ingest_is_quick_and_memory_flat(start: Start, sink: SinkProcess, tmp_path: Path) -> None:
    system = start(store=ValkeyServer({"maxmemory": "4gb", "stream-node-max-bytes": "16384"}))
    register(system, sink, "slow", event_types=["bench.event"])
    load(system, tmp_path, "--count", "2000", "--batch", "100", "--connections", "8")
    system.wait_drained(30)
    before_ms = ingest_p99_ms(system, tmp_path)
    sink.configure("slow", latency_ms=SLOW_MS)
    pid = system.parts["dispatcher-0"].pid
    before_bytes = resident_bytes(pid)
    load(system, tmp_path, "--count", str(BACKLOG), "--batch", "500", "--connections", "8", "--size", "200")
    wait_until(lambda: open_deliveries(system) > 0.9 * BACKLOG, BACKLOG / 500 + 30, "a record for all that waits")
    with_ms = ingest_p99_ms(system, tmp_path)
    with_bytes = resident_bytes(pid)
    assert open_deliveries(system) > 0.8 * BACKLOG, "the backlog has gone meanwhile"
    assert with_ms <= max(LARGEST_RATIO * before_ms, QUICK_MS), f"p99 {before_ms} ms without, {with_ms} ms with it"
    assert with_bytes - before_bytes <= LARGEST_GROWTH, f"{before_bytes >> 20} MB before, {with_bytes >> 20} MB with it"
    sink.configure("slow", latency_ms=0.0)
    system.wait_drained(BACKLOG / 500 + 60)
    assert resident_bytes(pid) - before_bytes <= LARGEST_GROWTH, "memory while it was drained"
    assert not balances(system)


def open_deliveries(system: System) -> int:
    """How many have a record and no end yet."""
    return int(system.api.metrics()["hookline_deliveries_pending"])
