"""A campaign: publishers and receivers with ledgers, faults on a timeline, then the drain and the arithmetic."""

import contextlib
import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.faults import FAULTS, Step
from tests.chaos.memory import Memory
from tests.support.ledger import Findings, audit, read_published
from tests.support.power import UnsafePower
from tests.support.process import Process
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import NeverHappened, wait_until

SCHEDULE = [1, 1, 2, 2, 4, 4, 8, 8, 16, 16]
ENDPOINTS: dict[str, dict[str, Any]] = {"payments": {}, "shipping": {}, "archive": {}, "ledger": {"ordered": True}}
"""Receivers that each get every event, and what is special about them."""
STORE_AWAY = ("partition.not_settled",)
"""Of a dispatcher that is asked to end while the store is down: its partitions are then taken over."""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """How a campaign runs; `rate` is events per second and publisher, `fail` the share of requests refused.

    Without `judge_states` only what was sent and received is compared: retention has taken the rest.
    """

    steps: Sequence[Step]
    seconds: float
    publishers: int = 2
    rate: float = 100.0
    fail: float = 0.1
    dispatchers: int = 2
    partitions: int = 4
    drain_seconds: float = 60.0
    patience: float = 30.0
    judge_states: bool = True
    store_settings: dict[str, str] = dataclasses.field(default_factory=dict)
    settings: dict[str, str] = dataclasses.field(default_factory=dict)
    seed: int = 1


class Campaign:
    """One run of a plan in a directory of its own."""

    def __init__(self, plan: Plan, directory: Path) -> None:
        self.plan = plan
        self.directory = directory
        store = UnsafePower(plan.store_settings, seed=plan.seed)
        self.system = System(
            directory, store=store, dispatchers=plan.dispatchers, partitions=plan.partitions, settings=plan.settings,
            expected_errors=STORE_AWAY,
        )  # fmt: skip
        self.sink = SinkProcess(directory, seed=plan.seed)
        self.store = store
        self.endpoint_ids: dict[str, str] = {}
        self.secrets: dict[str, list[str]] = {}
        self.done: list[tuple[float, Step]] = []
        self.drained_seconds = 0.0
        self._publishers: list[Process] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> "Campaign":
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.sink)
            stack.enter_context(self.system)
            self._register()
            self.memory = Memory(self._processes)
            stack.callback(self.memory.close)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._stack.__exit__(kind, error, trace)

    def _processes(self) -> dict[str, int]:
        found = {name: part.pid for name, part in self.system.parts.items() if part.running}
        return found | ({"store": self.store.pid} if self.store.running else {})

    def _register(self) -> None:
        wanted = [{"url": self.sink.url(name), "retry_schedule": SCHEDULE, **more} for name, more in ENDPOINTS.items()]
        for name, made in zip(ENDPOINTS, self.system.api.create_subscriber("chaos", *wanted), strict=True):
            self.endpoint_ids[name] = made["id"]
            self.secrets[name] = [self.system.api.get(f"/v1/endpoints/{made['id']}/secret")["secret"]]
            self.sink.configure(name, secrets=self.secrets[name], fail=self.plan.fail)

    def ledger(self, number: int) -> Path:
        """The file of a publisher."""
        return self.directory / f"publisher-{number}.published"

    def publish(self) -> None:
        """Start the publishers."""
        for number in range(self.plan.publishers):
            arguments = [
                "tests.support.publisher", "--port", str(self.system.port), "--key", self.system.key,
                "--ledger", str(self.ledger(number)), "--name", f"p{number}", "--rate", str(self.plan.rate),
                "--seconds", str(self.plan.seconds), "--patience", str(self.plan.patience),
            ]  # fmt: skip
            publisher = Process(f"publisher-{number}", arguments, self.directory)
            publisher.start()
            self._stack.callback(publisher.kill9)
            self._publishers.append(publisher)

    def run(self) -> None:
        """Load and faults; returns when the publishers are done and everything is up again."""
        self.publish()
        begun = time.monotonic()
        for step in sorted(self.plan.steps):
            _wait_for(begun + step.at)
            FAULTS[step.fault](self, step.part)
            self.done.append((time.monotonic() - begun, step))
        self.run_out()

    def pass_time(self, seconds: float) -> None:
        """Let the load go on for so long."""
        _wait_for(time.monotonic() + seconds)

    def run_out(self) -> None:
        """Wait until the publishers are done."""
        for publisher in self._publishers:
            publisher.finish(self.plan.seconds + self.plan.patience + 30)

    def drain(self) -> float:
        """Wait until nothing is open; the seconds that it took."""
        begun = time.monotonic()
        with contextlib.suppress(NeverHappened):  # the ledger then names what is open
            self.system.wait_drained(self.plan.drain_seconds)
        self.drained_seconds = time.monotonic() - begun
        return self.drained_seconds

    def acknowledged(self) -> int:
        """How many events were promised so far."""
        return sum(
            line.t_ack is not None
            for number in range(self.plan.publishers)
            for line in read_published(self.ledger(number))
        )

    def sent(self) -> int:
        """How many events the publishers made."""
        return sum(int(publisher.first_json()["made"]) for publisher in self._publishers)

    def audit(self) -> Findings:
        """The arithmetic, over the system's own states too."""
        published = [line for number in range(self.plan.publishers) for line in read_published(self.ledger(number))]
        names = {endpoint: name for name, endpoint in self.endpoint_ids.items()}
        settled = self.system.api.settled(names, order="asc") if self.plan.judge_states else None
        return audit(published, self.sink.received(), settled, ENDPOINTS)


def _wait_for(instant: float) -> None:
    wait_until(lambda: time.monotonic() >= instant, 86_400, "the next fault")
