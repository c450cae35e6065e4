"""The store's memory is small (FAULTS 1, row 14; for sixty seconds in the long form)."""

from pathlib import Path
from typing import Any

import pytest
import redis

from tests.chaos.conftest import Start
from tests.chaos.lengths import length
from tests.chaos.receivers import register
from tests.support.process import Process
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]
SMALL = 64 * 1024 * 1024
PAYLOAD = 24_576
CONNECTIONS = 16
"""As fast as publishers go who wait for their answers: with many more, two cores deliver less than they take in."""
HEALTHY_EVENTS = length(20_000, 250_000)
DEAD_SECONDS = length(5, 60)


def load(system: System, directory: Path, **options: float) -> dict[str, Any]:
    """Full speed from the load generator; its result."""
    arguments = ["tests.support.loadgen", "--port", str(system.port), "--key", system.key]
    for name, value in options.items():
        arguments += [f"--{name}", str(value)]
    process = Process("load", arguments, directory)
    process.start()
    assert process.finish(200) == 0, process.output()
    return process.first_json()


def used(system: System) -> float:
    """Share of the memory limit in use."""
    with redis.Redis.from_url(system.store.url) as client:
        info = client.info("memory")
    return float(info["used_memory"]) / float(info["maxmemory"])


def small_store() -> ValkeyServer:
    return ValkeyServer({"maxmemory": str(SMALL), "stream-node-max-bytes": "16384"})


def test_healthy_receivers_keep_ingest_running(start: Start, sink: SinkProcess, tmp_path: Path) -> None:
    system = start(store=small_store())
    register(system, sink, "pay")
    result = load(system, tmp_path, connections=CONNECTIONS, count=HEALTHY_EVENTS, size=3_072)
    assert result["events"] > system.stored(), "nothing was trimmed: it was never short of memory"
    assert result["refused"] == 0, result
    system.wait_drained(60)
    assert len({line.id for line in sink.received()}) == result["events"]
    assert used(system) < 0.9


def test_a_dead_endpoint_fills_it_and_ingest_resumes_by_itself(start: Start, sink: SinkProcess, tmp_path: Path) -> None:
    system = start(store=small_store())
    names = register(system, sink, "pay", "dead", retry_schedule=[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2])
    sink.configure("dead", status=500)
    result = load(system, tmp_path, size=PAYLOAD, seconds=DEAD_SECONDS)
    assert result["refused"] > 0, result
    assert set(result["statuses"]) <= {"202", "503"}, result
    assert used(system) < 1.0
    owners = system.owners()
    sink.configure("dead", status=200)
    system.wait_drained(90)
    assert system.owners() == owners, "no lease was lost while the memory was full"
    wait_until(lambda: system.api.publish({"type": "chaos.event", "data": 1}).status_code == 202, 20, "ingest")
    received = sink.received()
    assert len({line.id for line in received if line.endpoint == "pay"}) >= result["events"]
    delivered = {line.id for line in received if line.endpoint == "dead" and line.status == 200}
    assert len(delivered) >= result["events"], names


def test_a_limit_lowered_under_the_use_answers_503_until_it_is_raised(start: Start, sink: SinkProcess) -> None:
    system = start()
    register(system, sink, "pay")
    with redis.Redis.from_url(system.store.url) as client:
        in_use = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", max(in_use // 2, 1))
        refused = {"type": "chaos.event", "data": 1}
        wait_until(lambda: system.api.publish(refused).status_code == 503, 10, "a refusal")
        answer = system.api.publish(refused)
        assert "retry-after" in answer.headers
        client.config_set("maxmemory", SMALL)
    wait_until(lambda: system.api.publish(refused).status_code == 202, 10, "ingest again")
    system.wait_drained(20)
    assert all(system.owners())
