"""One event to 10,000 endpoints, and what that does to the latency of others: phases with and without, in turns.

The others are steady: one endpoint, RATE events a second. In a phase with wide events one is published when the load
begins and one each PERIOD_SECONDS after; it ends when everything has arrived.
"""

import argparse
import statistics
import sys
import threading
import time
from typing import Any

from tests.bench.figures import Figure, table
from tests.bench.rig import Rig

ENDPOINTS = 10_000
INLINE = 100
TYPE = "bench.wide"
RATE = 200.0
PERIOD_SECONDS = 4.0
_ARRIVAL_SECONDS = 120.0


class Wide:
    """A rig with an endpoint for the others and `endpoints` for wide events."""

    def __init__(self, rig: Rig, endpoints: int) -> None:
        self._rig, self._endpoints = rig, endpoints
        self._pause = threading.Event()
        for number in range(endpoints // INLINE):
            urls = (rig.sink.url(f"w{number * INLINE + one}") for one in range(INLINE))
            rig.system.api.create_subscriber(f"wide-{number}", *({"url": u, "event_types": [TYPE]} for u in urls))
        rig.warm_up(1.0)
        self._publish()
        rig.sink.wait_received(endpoints, _ARRIVAL_SECONDS)

    def _publish(self) -> None:
        self._rig.system.api.publish({"type": TYPE, "data": {}}).raise_for_status()

    def phase(self, seconds: float, *, wide: bool) -> dict[str, Any]:
        """Latencies of the others, and how many wide events there were."""
        self._rig.sink.reset()
        load = self._rig.start_load(seconds=seconds, rate=RATE, connections=16)
        published = 0
        begun = time.monotonic()
        while wide and load.running and time.monotonic() - begun < seconds - PERIOD_SECONDS / 2:
            self._publish()
            published += 1
            self._pause.wait(PERIOD_SECONDS)
        load.finish(_ARRIVAL_SECONDS)
        events = load.first_json()["events"]
        stats = self._rig.sink.wait_received(events + published * self._endpoints, _ARRIVAL_SECONDS)
        return {**stats["latency_ms"], "wide": published}


def measure(*, quick: bool, endpoints: int = ENDPOINTS, rounds: int = 3) -> list[Figure]:
    """The row of the bench; the endpoint of the others does not want wide events."""
    seconds = PERIOD_SECONDS * (1 if quick else 2)
    phases: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    with Rig(dispatchers=1, policy={"event_types": ["bench.event"]}) as rig:
        run = Wide(rig, endpoints)
        for turn in range(2 * (2 if quick else rounds)):
            phases[bool(turn % 2)].append(run.phase(seconds, wide=bool(turn % 2)))
    without, beside = (statistics.median(phase["p99"] for phase in phases[wide]) for wide in (False, True))
    facts = {"p99_without": without, "p99_with": beside, "wide_events": sum(phase["wide"] for phase in phases[True])}
    return [
        Figure(
            f"p99 of others beside events to {endpoints:,} endpoints, by without", beside / without, "", "<= 2", facts
        )
    ]


def main() -> None:
    """Run, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.wide")
    parser.add_argument("--endpoints", type=int, default=ENDPOINTS)
    given = parser.parse_args()
    sys.stdout.write(table(measure(quick=True, endpoints=given.endpoints)) + "\n")


if __name__ == "__main__":
    main()
