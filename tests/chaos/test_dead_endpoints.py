"""Endpoints that hang, drip, flood, vanish or have a slow name (FAULTS 1, row 18), beside healthy ones.

How much the healthy ones notice is measured by `tests.bench.isolation`.
"""

import itertools
from functools import partial
from typing import Any

import pytest

from tests.chaos.receivers import publish, register
from tests.chaos.scene import Scene
from tests.support.adversary_service import BLACKHOLE, CATALOGUE, NAMES, AdversaryService
from tests.support.process import resident_bytes
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
DEADLINE_SECONDS = 2
ADVERSE = (*NAMES, "slow_name")
ROUNDS, EVENTS = 4, 150
HEALTHY_SECONDS = 5.0
"""For all events of a round at the healthy endpoints, on a machine with much else to do."""
GROWTH = 64 << 20
HEALTHY = ("pay", "ship")


def register_adverse(system: System, service: AdversaryService) -> dict[str, str]:
    """Name of the adversary -> id of its endpoint."""
    wanted = [{"url": service.url(name), "retry_schedule": [3_600]} for name in ADVERSE]
    made = system.api.create_subscriber("adverse", *wanted)
    return {name: endpoint["id"] for name, endpoint in zip(ADVERSE, made, strict=True)}


def attempts(system: System, endpoint: str) -> list[dict[str, Any]]:
    """Attempts at an endpoint: those of some deliveries that went well, and of some that will be retried."""
    names = [
        delivery["id"]
        for status in ("delivered", "scheduled")
        for delivery in itertools.islice(system.api.pages("/v1/deliveries", endpoint=endpoint, status=status), 20)
    ]
    return [attempt for name in names for attempt in system.api.get(f"/v1/deliveries/{name}")["attempts"]]


def wanted(name: str) -> set[str]:
    """How attempts at an adversary may end; at the deadline where the machine has too much else to do, all of them."""
    if name == BLACKHOLE:
        return {"connect_timeout", "deadline"}
    # once a slow name is known, what it names hangs
    return {"dns", "deadline"} if name == "slow_name" else {*CATALOGUE[name].ends.split(), "deadline"}


def run_rounds(system: System, sink: SinkProcess) -> list[int]:
    """Publish, and wait for the healthy endpoints alone; the dispatcher's memory after each round."""
    sizes = []
    for number in range(ROUNDS):
        publish(system, EVENTS, prefix=f"r{number}")
        for name in HEALTHY:
            sink.wait_received((number + 1) * EVENTS, HEALTHY_SECONDS, name)
        sizes.append(resident_bytes(system.parts["dispatcher-0"].pid))
    return sizes


def test_healthy_endpoints_memory_and_deadlines_are_kept(scene: Scene) -> None:
    system = scene.start(
        settings={"HOOKLINE_DEADLINE_SECONDS": str(DEADLINE_SECONDS)},
        modules={"dispatcher": ("tests.support.slow_names",)},
    )
    sink = scene.sink
    with AdversaryService(scene.directory) as service:
        register(system, sink, *HEALTHY)
        endpoints = register_adverse(system, service)
        sizes = run_rounds(system, sink)
        assert max(sizes) - sizes[0] < GROWTH
        for name, endpoint in endpoints.items():
            wait_until(partial(attempts, system, endpoint), 20, f"an attempt at {name}")
            judge(name, attempts(system, endpoint))
    received = sink.received()
    assert len(received) == len({line.pair for line in received}) == ROUNDS * EVENTS * len(HEALTHY)


def judge(name: str, made: list[dict[str, Any]]) -> None:
    """Each attempt ended as it must, at the deadline or earlier."""
    assert {attempt["error"] or "answered" for attempt in made} <= wanted(name), name
    assert max(attempt["duration_ms"] for attempt in made) < DEADLINE_SECONDS * 1_000 + 1_500, name
