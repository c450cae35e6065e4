"""An endpoint is deleted, disabled, paused or gets a new secret while a backlog stands at it (FAULTS 1, row 19).

The backlog is of three kinds: attempts that run, deliveries that wait for capacity, retries that wait for their time.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
IN_FLIGHT = 16
FAILED = 40
WAITING = 200


@dataclass(frozen=True)
class Backlog:
    """One endpoint with a backlog, beside one that has none."""

    system: System
    sink: SinkProcess
    names: dict[str, str]
    events: list[str]
    endpoint: str

    def ask(self, action: str) -> None:
        """POST one of the endpoint's actions."""
        answer = self.system.api.post(f"/v1/endpoints/{self.endpoint}/{action}")
        assert answer.is_success, answer.text

    def states(self) -> Counter[str]:
        """How many of its deliveries are in each state, with the reason."""
        found = self.system.api.pages("/v1/deliveries", endpoint=self.endpoint)
        return Counter(f"{one['status']} {one.get('reason') or ''}".strip() for one in found)

    def delivered_as_told(self) -> bool:
        """Whether the endpoint answered 2xx exactly to what the system says is delivered."""
        answered = {line.id for line in self.sink.received() if line.endpoint == "slow" and line.status == 200}
        found = self.system.api.pages("/v1/deliveries", endpoint=self.endpoint, status="delivered")
        return {one["event"] for one in found} == answered

    def received(self, endpoint: str) -> set[str]:
        """The events that an endpoint has seen."""
        return {line.id for line in self.sink.received() if line.endpoint == endpoint}

    def settle(self) -> None:
        """Let the receiver answer; then every delivery is in exactly one terminal state, at both endpoints."""
        self.sink.configure("slow", hold=False)
        self.system.wait_drained(40)
        findings = judge(self.system, self.sink, self.names, self.events)
        assert not findings.unsettled, findings.report()
        assert not findings.disagreeing, findings.report()
        assert not findings.duplicated, findings.report()
        assert not findings.forged, findings.report()
        assert self.delivered_as_told()
        assert self.received("quick") >= set(self.events)
        assert not balances(self.system)


def make_backlog(scene: Scene) -> Backlog:
    """Retries first, then attempts that hang and what waits behind them."""
    system, sink = scene.start(settings={"HOOKLINE_MAX_IN_FLIGHT": str(IN_FLIGHT)}), scene.sink
    names = register(system, sink, "slow", "quick", retry_schedule=[4, 2, 2, 2])
    sink.configure("slow", fail_every_second=True)
    events = publish(system, 2 * FAILED, "failed")
    system.wait_states({"scheduled": FAILED}, 20)
    sink.configure("slow", fail_every_second=False, hold=True)
    events += publish(system, WAITING, "waiting")
    sink.wait_received(2 * FAILED + IN_FLIGHT, 20, "slow")
    sink.wait_received(len(events), 20, "quick")
    (endpoint,) = (identifier for identifier, name in names.items() if name == "slow")
    return Backlog(system, sink, names, events, endpoint)


def delete(backlog: Backlog) -> None:
    answer = backlog.system.api.http.delete(f"/v1/endpoints/{backlog.endpoint}")
    assert answer.status_code == 204, answer.text


OFF: dict[str, Callable[[Backlog], None]] = {
    "endpoint_deleted": delete,
    "endpoint_disabled": lambda backlog: backlog.ask("disable"),
}


@pytest.mark.together
@pytest.mark.parametrize("reason", OFF)
def test_switched_off_what_is_not_delivered_is_skipped(scene: Scene, reason: str) -> None:
    backlog = make_backlog(scene)
    OFF[reason](backlog)
    later = publish(backlog.system, 20, "later")
    skipped = f"skipped {reason}"
    wait_until(lambda: backlog.states()[skipped] >= WAITING - IN_FLIGHT, 20, "what waited is skipped")
    backlog.settle()
    states = backlog.states()
    assert set(states) == {"delivered", skipped}
    assert states["delivered"] <= FAILED + IN_FLIGHT, "beside the first ones only what ran then"
    assert not backlog.received("slow").intersection(later)
    assert backlog.received("quick") == {*backlog.events, *later}


@pytest.mark.together
def test_paused_it_is_held_and_resumed_everything_is_delivered(scene: Scene) -> None:
    backlog = make_backlog(scene)
    backlog.ask("pause")
    wait_until(lambda: backlog.states()["held paused"] >= WAITING - IN_FLIGHT, 20, "what waited is held")
    backlog.sink.configure("slow", hold=False)
    wait_until(lambda: set(backlog.states()) <= {"held paused", "delivered"}, 30, "everything held, retries too")
    before = backlog.states()
    assert before["delivered"] <= FAILED + IN_FLIGHT, "beside the first ones only what ran then"
    backlog.events.extend(publish(backlog.system, 20, "later"))
    wait_until(lambda: backlog.states()["held paused"] == before["held paused"] + 20, 20, "the later ones held, too")
    assert backlog.states()["delivered"] == before["delivered"]
    backlog.ask("resume")
    backlog.settle()
    assert backlog.states() == {"delivered": len(backlog.events)}


def rotate(system: System, endpoint: str) -> str:
    """Give an endpoint a new secret, which signs from now on beside the old one."""
    answer = system.api.post(f"/v1/endpoints/{endpoint}/secret/rotate", {"overlap_seconds": 3_600})
    assert answer.is_success, answer.text
    return str(answer.json()["secret"])


@pytest.mark.together
def test_rotated_receivers_with_the_old_the_new_and_both_secrets_reject_nothing(scene: Scene) -> None:
    system, sink = scene.start(settings={"HOOKLINE_MAX_IN_FLIGHT": str(IN_FLIGHT)}), scene.sink
    names = register(system, sink, "old", "new", "both", "quick")
    for name in ("old", "new", "both"):
        sink.configure(name, hold=True)
    events = publish(system, WAITING)
    sink.wait_received(len(events), 20, "quick")
    old = {name: system.api.get(f"/v1/endpoints/{endpoint}/secret")["secret"] for endpoint, name in names.items()}
    new = {name: rotate(system, endpoint) for endpoint, name in names.items()}
    # the view of the registry is never older than an event that is delivered
    events += publish(system, 1, "after")
    sink.wait_received(len(events), 20, "quick")
    sink.configure("new", secrets=[new["new"]])
    sink.configure("both", secrets=[new["both"], old["both"]])
    for name in ("old", "new", "both"):
        sink.configure(name, hold=False)
    system.wait_drained(40)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert not findings.duplicated, findings.report()
    assert not balances(system)
