"""The same way with other receivers, payloads and policies: TLS, long answers, large events, many hosts, order."""

import statistics
from collections.abc import Callable
from typing import Any, Protocol

from tests.bench.figures import Figure
from tests.bench.rig import Rig, spent

HOSTS = tuple(f"127.0.1.{number}" for number in range(1, 21))
_LONG_ANSWER = "2048"
_LARGE_BYTES = 65_536
_ROUNDS = 3
_SECONDS = 60.0


class Length(Protocol):
    """What a row needs to know of the run."""

    partitions: int

    @property
    def seconds(self) -> float:
        """Of load in one measurement."""
        ...

    @property
    def backlog(self) -> int:
        """Events to drain."""
        ...


def _delivered(rig: Rig, **load: float) -> tuple[float, dict[str, Any]]:
    """Deliveries per second of a closed loop, and CPU seconds per 1,000 of them."""
    rig.warm_up(0.5)
    before = rig.cpu()
    result = rig.load(**load)
    count = result["events"] * rig.endpoints
    stats = rig.sink.wait_received(count, _SECONDS)
    cpu = spent(before, rig.cpu(), count / 1_000)
    return count / ((stats["last_ns"] - result["begun_ns"]) / 1e9), cpu


def tls(length: Length) -> list[Figure]:
    """To a receiver with TLS: over connections that stay, and over a new one each."""
    figures = []
    for name, options, part in (("keep-alive", (), 2), ("a new connection each", ("--close",), 10)):
        with Rig(dispatchers=1, partitions=length.partitions, receiver=options, tls=True) as rig:
            rate, cpu = _delivered(rig, count=length.backlog // part)
        figures.append(Figure(f"end to end with TLS, {name}", rate, "events/s", "", {"cpu_s_per_1000": cpu}))
    return figures


def answers(length: Length) -> list[Figure]:
    """To a receiver that says much."""
    with Rig(dispatchers=1, partitions=length.partitions, receiver=("--answer-bytes", _LONG_ANSWER)) as rig:
        rate, cpu = _delivered(rig, seconds=length.seconds / 2)
    return [Figure("end to end, answers of 2 KB", rate, "events/s", "", {"cpu_s_per_1000": cpu})]


def large(length: Length) -> list[Figure]:
    """Events of 64 KB."""
    with Rig(dispatchers=1, partitions=length.partitions) as rig:
        rate, cpu = _delivered(rig, seconds=length.seconds / 2, size=_LARGE_BYTES, connections=16)
    facts = {"mb_per_s": round(rate * _LARGE_BYTES / 1e6, 1), "cpu_s_per_1000": cpu}
    return [Figure("end to end, payloads of 64 KB", rate, "events/s", "", facts)]


def hosts(length: Length) -> list[Figure]:
    """One event to 20 endpoints, each on a host of its own."""
    options = ("--host", "0.0.0.0")
    with Rig(dispatchers=1, partitions=length.partitions, endpoints=len(HOSTS), hosts=HOSTS, receiver=options) as rig:
        rate, cpu = _delivered(rig, count=length.backlog // len(HOSTS))
    return [Figure("fan-out 1 -> 20 hosts", rate, "deliveries/s", "", {"cpu_s_per_1000": cpu})]


def ordered(length: Length) -> list[Figure]:
    """Backlogs of an ordered endpoint with 1,000 keys and of one that is not, drained in turns."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    with (
        Rig(dispatchers=1, partitions=length.partitions) as plain,
        Rig(dispatchers=1, partitions=length.partitions, policy={"ordered": True}) as strict,
    ):
        for rig in (plain, strict):
            rig.warm_up(0.5)
            rig.system.wait_balanced()
        for _ in range(_ROUNDS):
            for rig in (plain, strict):
                rates[rig is strict].append(rig.drain(length.backlog // 5, _SECONDS).rate)
                rig.system.wait_drained(_SECONDS)
    unordered, in_order = statistics.median(rates[False]), statistics.median(rates[True])
    facts = {"unordered": round(unordered), "ordered": round(in_order)}
    return [Figure("ordered with 1,000 keys, by unordered", in_order / unordered, "", ">= 0.5", facts)]


MEASURES: dict[str, Callable[[Length], list[Figure]]] = {
    "tls": tls,
    "answers": answers,
    "large": large,
    "hosts": hosts,
    "ordered": ordered,
}
