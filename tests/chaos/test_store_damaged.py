"""Keys vanish under load (FAULTS 1, row 8), and entries of the log are garbage (row 13)."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import pytest
import redis

from gateway.store.keys import PartitionKeys, RegistryKeys
from tests.chaos.conftest import Start
from tests.chaos.lengths import LONG
from tests.chaos.receivers import balances, judge, publish, register
from tests.chaos.scene import Scene
from tests.support.sink_process import SinkProcess
from tests.support.system import System
from tests.support.waiting import wait_until

pytestmark = pytest.mark.chaos
EVENTS = 500
FEW_AT_ONCE = {"HOOKLINE_MAX_IN_FLIGHT": "8"}
POISON: tuple[dict[bytes, bytes], ...] = (
    {b"x": b"garbage"},
    {b"h": b"short"},
    {b"h": b"\xff" * 64, b"d": b"{}"},
    {b"d": b"{}"},
    {b"h": b"0" * 16 + b"\x99" + b"\xa1\xff" * 9, b"d": b"{}"},
    {b"h": b"0" * 16 + b"\xc1", b"d": b"x" * 1_000_000},
)


def chosen(*short: tuple[str, str], also: list[str]) -> list[tuple[str, str]]:
    """Some pairs of (key, what happens after it was deleted); in the long form all."""
    return list(product(also, ("nothing", "take-over"))) if LONG else list(short)


def delete(system: System, *choose: Callable[[PartitionKeys], str]) -> None:
    """Delete keys of every partition."""
    with redis.Redis.from_url(system.store.url) as client:
        client.delete(*(key(system.keys(number)) for number in range(system.partitions) for key in choose))


@pytest.mark.parametrize("after", ["nothing", "take-over"])
def test_a_lost_mark_is_read_again_and_nothing_recorded_is_sent_twice(
    start: Start, sink: SinkProcess, after: str
) -> None:
    system = start()
    names = register(system, sink, "pay")
    events = publish(system, EVENTS)
    system.wait_drained(20)
    if after == "take-over":
        system.stop("dispatcher-0")
    delete(system, lambda keys: keys.recorded)
    if after == "take-over":
        system.start("dispatcher-0")
    events += publish(system, EVENTS, "later")
    system.wait_drained(30)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    again = [line.id for line in sink.received() if line.id.startswith("e-")]
    assert len(again) == EVENTS, "what had a record was sent again"
    assert not balances(system)


@pytest.mark.together
@pytest.mark.parametrize(("key", "after"), chosen(("due", "nothing"), ("open", "take-over"), also=["due", "open"]))
def test_lost_work_keys_are_rebuilt_from_the_records(scene: Scene, key: str, after: str) -> None:
    system, sink = scene.start(expected_errors=["places.rebuilt"]), scene.sink
    names = register(system, sink, "pay", retry_schedule=[3, 1, 1])
    sink.configure("pay", fail_every_second=True)
    events = publish(system, EVENTS)
    system.wait_states({"scheduled": EVENTS // 2, "delivered": EVENTS // 2}, 20)
    if after == "take-over":
        system.stop("dispatcher-0")
    delete(system, lambda keys: str(getattr(keys, key)))
    if after == "take-over":
        system.start("dispatcher-0")
    system.wait_states({"delivered": EVENTS}, 30)
    findings = judge(system, sink, names, events)
    assert findings.faultless, findings.report()
    assert findings.received == EVENTS + EVENTS // 2
    assert not balances(system)


@dataclass(frozen=True)
class Waiting:
    """Deliveries that wait in the store: in the lane of a slow endpoint, in line at an ordered one."""

    system: System
    names: dict[str, str]
    events: list[str]

    def keys(self, kind: str) -> list[str]:
        """The keys of a kind that exist, of all partitions; `lane` are those of single endpoints."""
        with redis.Redis.from_url(self.system.store.url, decode_responses=True) as client:
            if kind == "lane":
                prefixes = [self.system.keys(n).key("lane:") for n in range(self.system.partitions)]
                return [key for prefix in prefixes for key in client.keys(f"{prefix}*")]
            named = (str(getattr(self.system.keys(n), kind)) for n in range(self.system.partitions))
            return [key for key in named if client.exists(key)]


def make_waiting(scene: Scene) -> Waiting:
    system, sink = scene.start(settings=FEW_AT_ONCE, expected_errors=["places.rebuilt"]), scene.sink
    made = system.api.create_subscriber(
        "receivers", {"url": sink.url("slow")}, {"url": sink.url("line"), "ordered": True}
    )
    names = {endpoint["id"]: name for endpoint, name in zip(made, ("slow", "line"), strict=True)}
    for endpoint, name in names.items():
        secret = system.api.get(f"/v1/endpoints/{endpoint}/secret")["secret"]
        sink.configure(name, secrets=[secret], hold=True)
    events = [name for n in range(8) for name in publish(system, 25, f"s{n}", subject=f"subject-{n}")]
    waiting = Waiting(system, names, events)
    wait_until(lambda: waiting.keys("lane") and waiting.keys("order"), 20, "lanes and lines in the store")
    wait_until(lambda: len(list(system.api.pages("/v1/deliveries"))) == 2 * len(events), 20, "a record for each")
    return waiting


@pytest.mark.together
@pytest.mark.parametrize(
    ("kind", "after"),
    chosen(("lanes", "take-over"), ("lane", "nothing"), ("order", "nothing"), also=["lanes", "lane", "order"]),
)
def test_lost_lanes_and_lines_are_rebuilt_from_the_records(scene: Scene, kind: str, after: str) -> None:
    waiting, sink = make_waiting(scene), scene.sink
    system = waiting.system
    if after == "take-over":
        system.stop("dispatcher-0")
    with redis.Redis.from_url(system.store.url) as client:
        assert client.delete(*waiting.keys(kind))
    if after == "take-over":
        system.start("dispatcher-0")
    for name in waiting.names.values():
        sink.configure(name, hold=False)
    system.wait_drained(40)
    findings = judge(system, sink, waiting.names, waiting.events)
    assert findings.faultless, findings.report()
    assert after == "take-over" or not findings.duplicated, findings.report()
    assert not balances(system)


@pytest.mark.parametrize("how", ["delete", "trim"])
def test_without_the_change_stream_the_registry_is_loaded_again(start: Start, sink: SinkProcess, how: str) -> None:
    system = start()
    names = register(system, sink, "old")
    events = publish(system, 50)
    with redis.Redis.from_url(system.store.url) as client:
        if how == "delete":
            client.delete(RegistryKeys.changes)
        else:
            client.xtrim(RegistryKeys.changes, maxlen=0)
    made = system.api.post("/v1/subscribers/receivers/endpoints", {"url": sink.url("new")})
    assert made.status_code == 201, made.text
    later = publish(system, 50, "later")
    system.wait_drained(20)
    findings = judge(system, sink, names, events + later)
    assert not findings.lost, findings.report()
    assert not findings.duplicated, findings.report()
    assert {line.id for line in sink.received() if line.endpoint == "new"} >= set(later)


def test_poison_among_good_events_is_dead_and_the_good_are_delivered(start: Start, sink: SinkProcess) -> None:
    system = start(expected_errors=["event.poison"])
    names = register(system, sink, "pay")
    good = publish(system, EVENTS)
    with redis.Redis.from_url(system.store.url) as client:
        for number in range(system.partitions):
            for fields in POISON:
                client.xadd(system.keys(number).log, fields)
    good += publish(system, EVENTS, "later")
    system.wait_drained(30)
    findings = judge(system, sink, names, good)
    assert findings.faultless, findings.report()
    assert findings.received == 2 * EVENTS
    poisoned = list(system.api.pages("/v1/deliveries", status="dead", reason="poison"))
    assert len(poisoned) == system.partitions * len(POISON)
    assert system.status("/readyz") == 200


def test_a_changed_byte_is_not_delivered(start: Start, sink: SinkProcess) -> None:
    """FAULTS 1, row 6: the incremental AOF has no checksum, so the digest is what tells."""
    system = start(dispatchers=0, expected_errors=["event.poison"])
    register(system, sink, "pay")
    publish(system, 3)
    system.store.kill9()
    changed = 0
    for path in system.store.directory.glob("*/*.incr.aof"):
        content = path.read_bytes()
        at = content.find(b'{"n":"e-1"}')
        if at >= 0:
            path.write_bytes(content[: at + 6] + b"X" + content[at + 7 :])
            changed += 1
    assert changed == 1
    system.start("store")
    system.start("dispatcher-0")
    system.wait_drained(30)
    assert {line.id for line in sink.received()} == {"e-0", "e-2"}
    (dead,) = system.api.pages("/v1/deliveries", status="dead")
    assert dead["reason"] == "poison"
