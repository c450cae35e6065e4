"""A dispatcher dies at every stage of a delivery (FAULTS 1, row 9): all delivered, duplicates only without a record."""

import pytest

from gateway.store import scripts
from tests.chaos.conftest import Start
from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene
from tests.support.proxy import Proxy
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
SETTLE = scripts.load("settle").sha.encode()
EVENTS = 20
DRAIN_SECONDS = 40.0
SOCKETS = 64
"""Requests that may still lie in the sink's buffers when the sender is killed."""


def successor(system: System) -> None:
    """Kill the only dispatcher; another one has to wait for its lease to be given up for dead."""
    system.kill9("dispatcher-0")
    system.start("dispatcher-0")
    system.wait_drained(DRAIN_SECONDS)


@pytest.mark.together
def test_between_read_and_send_during_the_send_and_between_two_attempts(scene: Scene) -> None:
    """One kill for three stages, each at an endpoint of its own; one attempt at a time for each."""
    sink = scene.sink
    system = scene.start(settings={"HOOKLINE_MAX_IN_FLIGHT": "1"})
    names = register(system, sink, "held", "failing", retry_schedule=[5, 1, 1])
    sink.configure("held", hold=True)
    sink.configure("failing", status=500)
    events = publish(system, EVENTS)
    sink.wait_received(1, 10, "held")
    system.wait_states({"scheduled": EVENTS}, 10)
    system.kill9("dispatcher-0")
    in_flight = sink.stats()["endpoints"]["held"]
    assert in_flight <= system.partitions, "the others were read and not sent"
    sink.configure("held", hold=False)
    sink.configure("failing", status=200)
    successor(system)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    received = sink.received()
    assert len([line for line in received if line.endpoint == "held"]) == EVENTS + in_flight
    attempts = sorted(line.attempt for line in received if line.endpoint == "failing")
    assert attempts == [1] * EVENTS + [2] * EVENTS
    assert not balances(system)


@pytest.mark.together
def test_after_the_send_and_before_the_record(scene: Scene) -> None:
    store, sink = ValkeyServer(), scene.sink
    with Proxy(store.port) as proxy:
        system = scene.start(store=store, urls={"dispatcher": proxy.url})
        names = register(system, sink, "quick")
        proxy.drop_from(SETTLE)
        events = publish(system, EVENTS)
        sink.wait_received(EVENTS, 10)
        system.kill9("dispatcher-0")
        proxy.heal()
        successor(system)
        findings = judge(system, sink, names, events)
        assert findings.faultless, findings.report()
        assert findings.duplicated == EVENTS
        assert not balances(system)


@pytest.mark.together
def test_around_the_scheduling_of_a_retry(scene: Scene) -> None:
    store, sink = ValkeyServer(), scene.sink
    with Proxy(store.port) as proxy:
        system = scene.start(store=store, urls={"dispatcher": proxy.url})
        names = register(system, sink, "failing", retry_schedule=[5, 1, 1])
        events = publish(system, 1, "first")
        system.wait_drained(10)
        sink.configure("failing", status=500)
        proxy.mute_from(SETTLE)
        events += publish(system, 1)
        sink.wait_received(2, 10)
        system.kill9("dispatcher-0")
        proxy.heal()
        sink.configure("failing", status=200)
        successor(system)
        findings = judge(system, sink, names, events)
        assert findings.faultless, findings.report()
        assert [line.attempt for line in sink.received()] in ([1, 1, 2], [1, 1, 1])
        assert not balances(system)


@pytest.mark.timeout(240)
def test_in_the_middle_of_a_large_fan_out(sink: SinkProcess, start: Start) -> None:
    system = start()
    endpoints = 10_000
    for begin in range(0, endpoints, 100):
        wanted = [{"url": sink.url(f"n{number}")} for number in range(begin, begin + 100)]
        system.api.create_subscriber(f"s-{begin}", *wanted)
    assert system.api.publish({"type": "chaos.event", "id": "wide", "data": 1}).status_code == 202
    wait_until(lambda: recorded(system) > endpoints // 5, 60, "the first records")
    system.kill9("dispatcher-0")
    unrecorded = sink.stats()["received"] - recorded(system)
    successor(system)
    received = sink.received()
    assert {line.endpoint for line in received} == {f"n{number}" for number in range(endpoints)}
    assert len(received) <= endpoints + unrecorded + SOCKETS
    assert recorded(system) == endpoints
    assert not balances(system)


def recorded(system: System) -> int:
    """How many deliveries of the wide event are recorded as delivered."""
    return int(system.api.get("/v1/events/wide")["deliveries"]["counts"]["delivered"])
