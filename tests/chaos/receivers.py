"""Registers endpoints of the sink, and looks at what came of their deliveries."""

from typing import Any

from tests.support.ledger import Findings, Published, audit
from tests.support.sink_process import SinkProcess
from tests.support.system import System

QUICK_SCHEDULE = [1, 1, 1, 2, 2, 4, 4, 8]


def register(system: System, sink: SinkProcess, *names: str, **fields: Any) -> dict[str, str]:
    """One internal subscriber with an endpoint per name; endpoint id -> name. The sink learns the secrets."""
    wanted = [{"url": sink.url(name), "retry_schedule": QUICK_SCHEDULE, **fields} for name in names]
    made = system.api.create_subscriber("receivers", *wanted)
    for name, endpoint in zip(names, made, strict=True):
        secret = system.api.get(f"/v1/endpoints/{endpoint['id']}/secret")["secret"]
        sink.configure(name, secrets=[secret])
    return {endpoint["id"]: name for name, endpoint in zip(names, made, strict=True)}


def publish(system: System, count: int, prefix: str = "e", **fields: Any) -> list[str]:
    """Events with ids `prefix-0` and so on, each acknowledged."""
    names = [f"{prefix}-{number}" for number in range(count)]
    for begin in range(0, count, 500):
        events = [{"type": "chaos.event", "id": name, "data": {"n": name}, **fields} for name in names[begin:][:500]]
        result = system.api.publish_batch(events)
        assert result["accepted"] == len(events), result
    return names


def judge(system: System, sink: SinkProcess, names: dict[str, str], events: list[str]) -> Findings:
    """The ledger over events that were all acknowledged; payload bytes are compared between receipts only."""
    received = sink.received()
    hashes = {line.id: line.sha256 for line in received}
    published = [Published(event, hashes.get(event, ""), 0.0, 0.0) for event in events]
    return audit(published, received, system.api.settled(names), set(names.values()))


def balances(system: System) -> str:
    """'' when the recount of the ledger balances, else what the command said."""
    recount = system.command("ledger")
    return "" if recount.returncode == 0 else recount.stdout + recount.stderr
