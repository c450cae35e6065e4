"""The store is asked seldom: gateway and dispatcher have at most one round trip for 32 events each, under load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.process import Process
from tests.support.proxy import Proxy
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer

CONNECTIONS = 512
EVENTS = 12_000
EVENTS_PER_ROUND_TRIP = 32


@pytest.fixture
def proxies(valkey_server: ValkeyServer) -> Iterator[dict[str, Proxy]]:
    """One between each kind of process and the store."""
    with Proxy(valkey_server.port) as gateway, Proxy(valkey_server.port) as dispatcher:
        yield {"gateway": gateway, "dispatcher": dispatcher}


def load(system: System, directory: Path, count: int) -> int:
    """Publish so many events, each a request of its own; how many were accepted."""
    arguments = ["tests.support.loadgen", "--port", str(system.port), "--key", system.key]
    arguments += ["--count", str(count), "--connections", str(CONNECTIONS), "--size", "256"]
    process = Process("load", arguments, directory)
    process.start()
    assert process.finish(60) == 0, process.output()
    return int(process.first_json()["events"])


@pytest.mark.timeout(120)
def test_events_share_round_trips(tmp_path: Path, valkey_server: ValkeyServer, proxies: dict[str, Proxy]) -> None:
    urls = {name: proxy.url for name, proxy in proxies.items()}
    with (
        SinkProcess(tmp_path, ledger=False) as sink,
        System(tmp_path, store=valkey_server, urls=urls) as system,
    ):
        system.api.create_subscriber("shop", {"url": sink.url("e0"), "max_in_flight": 256})
        warm = load(system, tmp_path, 1_000)
        sink.wait_received(warm, 30)
        sink.reset()
        before = {name: proxy.round_trips for name, proxy in proxies.items()}
        events = load(system, tmp_path, EVENTS)
        sink.wait_received(events, 60)
        asked = {name: proxy.round_trips - before[name] for name, proxy in proxies.items()}
    assert events == EVENTS
    assert {name: events / count for name, count in asked.items() if events / count < EVENTS_PER_ROUND_TRIP} == {}
