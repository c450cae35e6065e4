"""Isolation: what 10 adversarial endpoints do to the latency of 90 healthy ones.

    python -m tests.bench.isolation [--seconds 10] [--rounds 3] [--rate 400] [--weight 2] [--realtime]

One run, phases in turns: alone, together, alone, together... Both get the same healthy load; when together, each
adversarial endpoint gets `weight` times the events of a healthy one on top. Before a phase alone the adversarial ones
are disabled and what runs there has ended; before a phase together they have had time to do their worst.

On a machine with other work, latencies are mostly that work: `--realtime` lets the processes of the run go before it
(sched(7), SCHED_RR; needs root).
"""

import argparse
import dataclasses
import os
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvloop

from gateway.store import embedded
from tests.bench.figures import Figure, table
from tests.support.adversary_service import AdversaryService
from tests.support.pacer import Pacer
from tests.support.process import resident_bytes
from tests.support.samples import DIGITS, MARK
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import pause
from tests.support.wire import Wire, WirePool

HEALTHY = 90
ADVERSE = (
    "hang", "deaf", "slow_head", "slow_body", "sluggish", "blackhole", "slow_name", "gigabyte", "endless_chunks",
    "answer_and_reset",
)  # fmt: skip
"""One endpoint each. The first seven take an attempt's whole time, the others work or fail at once."""
DEADLINE_SECONDS = 8
"""Of an attempt: shorter than the default, so that a phase alone need not wait so long."""
WORST_SECONDS = 4.0
_STORE = {**embedded.DURABLE, "maxmemory": "2gb"}
_DISPATCHER = ("tests.support.slow_names",)


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Seconds of a phase, how many of each kind, healthy events per second, and the adversaries' share."""

    seconds: float = 10.0
    rounds: int = 3
    rate: float = 400.0
    weight: int = 2
    realtime: bool = False


class Load:
    """Events at a steady rate, types in turns; an answer other than 202 raises at the end."""

    def __init__(self, port: int, key: str, types: Sequence[str]) -> None:
        self._pool = WirePool("127.0.0.1", port, 64)
        data = b"{" + MARK + b"%%0%dd" % DIGITS + b'"}'
        bodies = [b'{"type":"%b","data":' % name.encode() + data + b"}" for name in types]
        self._requests = [
            b"POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % (key.encode(), len(body % 0)) + body
            for body in bodies
        ]
        self._waiting: deque[bytes] = deque()
        self._next = 0
        self.sent = self.answered = self.refused = 0

    async def run(self, rate: float, seconds: float) -> int:
        """How many events were acknowledged."""
        await self._pool.open()
        self._pool.on_idle = self._pool.idle.append
        pacer = Pacer(rate, time.monotonic_ns(), self._due)
        pacer.start()
        await pause(seconds)
        pacer.stop()
        while self.answered < self.sent:
            await pause(0.01)
        self._pool.close()
        if self.refused:
            raise AssertionError(f"{self.refused} of {self.sent} events were not accepted")
        return self.answered

    def _due(self, instants: list[int]) -> None:
        for instant in instants:
            self._waiting.append(self._requests[self._next % len(self._requests)] % instant)
            self._next += 1
            self.sent += 1
        self._send()

    def _send(self) -> None:
        while self._waiting and self._pool.idle:
            self._pool.idle.popleft().send(self._waiting.popleft(), self._took)

    def _took(self, wire: Wire, status: int, _body: bytes) -> None:
        self.answered += 1
        self.refused += status != 202
        self._pool.release(wire)
        self._send()


def hurry(*processes: int) -> None:
    """Let all threads of these processes run before everything that is not real-time."""
    for process in processes:
        for thread in Path(f"/proc/{process}/task").iterdir():
            os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


class Isolation:
    """The system of the run."""

    def __init__(self, system: System, sink: SinkProcess, service: AdversaryService, plan: Plan) -> None:
        self._system, self._sink, self._rate, self._weight = system, sink, plan.rate, plan.weight
        self._healthy = [f"bench.h{number}" for number in range(HEALTHY)]
        self._adverse = [f"bench.a.{name}" for name in ADVERSE]
        system.api.create_subscriber(
            "healthy", *({"url": sink.url(name), "event_types": [name]} for name in self._healthy)
        )
        made = system.api.create_subscriber(
            "adverse",
            *(
                {"url": service.url(name), "event_types": [kind]}
                for name, kind in zip(ADVERSE, self._adverse, strict=True)
            ),
        )
        self._ids = [endpoint["id"] for endpoint in made]
        self._switch("disable")

    def _switch(self, verb: str) -> None:
        for endpoint in self._ids:
            self._system.api.post(f"/v1/endpoints/{endpoint}/{verb}").raise_for_status()

    def resident_mb(self) -> float:
        """Of the dispatcher."""
        return resident_bytes(self._system.parts["dispatcher-0"].pid) / 2**20

    def phase(self, seconds: float, *, together: bool) -> dict[str, Any]:
        """One phase; latencies of the healthy endpoints."""
        if together:
            self._switch("enable")
            self._load(WORST_SECONDS, together=True)
        self._load(1.0, together=together)
        self._sink.reset()
        before = self._cpu()
        events = self._load(seconds, together=together)
        healthy = events * HEALTHY // (HEALTHY + self._weight * len(ADVERSE)) if together else events
        stats = self._sink.wait_received(round(healthy * 0.999), 30)
        found = {**stats["latency_ms"], "cpu": (self._cpu() - before) / seconds, "resident_mb": self.resident_mb()}
        if together:
            self._switch("disable")
            self._system.wait_drained(DEADLINE_SECONDS + 20)
        return found

    def _cpu(self) -> float:
        return self._system.parts["dispatcher-0"].cpu_seconds()

    def _load(self, seconds: float, *, together: bool) -> int:
        types = list(self._healthy)
        rate = self._rate
        if together:
            types = _mixed(types, self._adverse * self._weight)
            rate *= len(types) / HEALTHY
        load = Load(self._system.port, self._system.key, types)
        return uvloop.run(load.run(rate, seconds))


def _mixed(healthy: Sequence[str], adverse: Sequence[str]) -> list[str]:
    """Both lists, evenly one among the other."""
    marked = [((number + 0.5) / len(names), name) for names in (healthy, adverse) for number, name in enumerate(names)]
    return [name for _, name in sorted(marked)]


def run(plan: Plan, say: Callable[[str], object] = lambda _text: None) -> list[Figure]:
    """The figures of a plan; `say` gets a line per phase."""
    phases: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    with tempfile.TemporaryDirectory(prefix="hookline-isolation-") as name:
        directory = Path(name)
        system = System(
            directory,
            store=ValkeyServer(_STORE),
            settings={"HOOKLINE_DEADLINE_SECONDS": str(DEADLINE_SECONDS)},
            modules={"dispatcher": _DISPATCHER},
        )
        with SinkProcess(directory, ledger=False) as sink, AdversaryService(directory) as service, system:
            if plan.realtime:
                parts = [part.pid for part in system.parts.values()]
                hurry(os.getpid(), system.store.pid, sink.process.pid, service.process.pid, *parts)
            isolation = Isolation(system, sink, service, plan)
            for turn in range(2 * plan.rounds):
                together = bool(turn % 2)
                phases[together].append(isolation.phase(plan.seconds, together=together))
                say(f"{'together' if together else 'alone'}: {phases[together][-1]}\n")
    return figures(phases)


def measure(quick: bool) -> list[Figure]:
    """The row of the bench."""
    return run(Plan(seconds=3.0, rounds=2) if quick else Plan(seconds=8.0, rounds=4))


def figures(phases: dict[bool, list[dict[str, Any]]]) -> list[Figure]:
    """Medians over the phases of a kind; growth of memory from the first phase to the largest."""

    def median(mark: str, *, together: bool) -> float:
        return float(statistics.median(phase[mark] for phase in phases[together]))

    alone, together = median("p99", together=False), median("p99", together=True)
    sizes = [phase["resident_mb"] for phase in phases[True]]
    least = [min(phase["p99"] for phase in phases[together]) for together in (True, False)]
    facts = {
        "ratio_of_quietest_phases": round(least[0] / least[1], 2),
        "p50_alone": median("p50", together=False),
        "p50_together": median("p50", together=True),
        "p99_alone": alone,
        "p99_together": together,
        "cpu_alone": median("cpu", together=False),
        "cpu_together": median("cpu", together=True),
        "resident_mb": [round(size, 1) for size in sizes],
    }
    return [
        Figure(
            "90 healthy endpoints: p99 with 10 adversarial ones, by p99 without", together / alone, "", "<= 1.2", facts
        ),
        Figure("dispatcher memory, last phase by first", sizes[-1] / sizes[0], "", "<= 1.1"),
    ]


def main() -> None:
    """Run, print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.isolation")
    for field in dataclasses.fields(Plan):
        if field.type is bool:
            parser.add_argument(f"--{field.name}", action="store_true")
        else:
            parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    found = run(Plan(**vars(parser.parse_args())), sys.stderr.write)
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
