"""What a measurement runs on: a fresh system with its own store, a counting sink, and the load generator."""

import contextlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import redis

from gateway.store import embedded
from tests.bench.receiver import Receiver
from tests.integration.dispatcher.sender.authority import Authority
from tests.support.process import Process, cpu_seconds
from tests.support.system import System
from tests.support.valkey import ValkeyServer

CONNECTIONS = 64
PAYLOAD_BYTES = 1_024
_STORE = {**embedded.DURABLE, "maxmemory": "4gb"}
_LOAD_SECONDS = 120.0


class Drained(NamedTuple):
    """How many events, how fast they came in and went out, CPU seconds per 1,000 going out."""

    events: int
    loaded_rate: float
    rate: float
    cpu: dict[str, float]


class Rig:
    """Enter it to have everything running; `endpoints` are paths of the sink that each get every event.

    `hosts` are given to them in turns, `policy` to each; `receiver` are options of `tests.bench.receiver`. With
    `tls` the receiver has a certificate of an authority that the system trusts.
    """

    def __init__(
        self,
        *,
        dispatchers: int,
        endpoints: int = 1,
        partitions: int = 4,
        modules: Mapping[str, tuple[str, ...]] | None = None,
        hosts: Sequence[str] = ("127.0.0.1",),
        policy: Mapping[str, Any] | None = None,
        receiver: Sequence[str] = (),
        tls: bool = False,
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="hookline-bench-"))
        self.endpoints = endpoints
        self._hosts, self._policy = hosts, dict(policy or {})
        settings: dict[str, str] = {}
        if tls:
            authority = Authority(self.directory)
            authority.context(hosts[0])
            settings["HOOKLINE_CA_FILE"] = str(authority.ca_file)
            receiver = [*receiver, "--certificate", str(self.directory / f"{hosts[0]}-0.pem")]
        self.system = System(
            self.directory,
            store=ValkeyServer(_STORE),
            dispatchers=dispatchers,
            partitions=partitions,
            modules=modules,
            settings=settings,
        )
        self.sink = Receiver(self.directory, receiver)
        self._stack = contextlib.ExitStack()
        self._loads = 0

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
            stack.enter_context(self.sink)
            stack.enter_context(self.system)
            if self.system.dispatchers:
                self.system.api.create_subscriber("bench", *map(self._endpoint, range(self.endpoints)))
            self._stack = stack.pop_all()
        return self

    def _endpoint(self, number: int) -> dict[str, Any]:
        return {"url": self.sink.url(f"e{number}", self._hosts[number % len(self._hosts)]), **self._policy}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def load(self, **options: float | str) -> dict[str, Any]:
        """Run the generator to its end; `options` are its arguments. The result, see `tests.support.loadgen`."""
        process = self.start_load(**options)
        process.finish(_LOAD_SECONDS)
        return process.first_json()

    def start_load(self, **options: float | str) -> Process:
        """Start the generator; its first JSON line is the result."""
        settings = {"connections": CONNECTIONS, "size": PAYLOAD_BYTES, **options}
        arguments = ["tests.support.loadgen", "--port", str(self.system.port), "--key", self.system.key]
        for name, value in settings.items():
            arguments += [f"--{name}", str(value)]
        self._loads += 1
        process = Process(f"load-{self._loads}", arguments, self.directory)
        process.start()
        self._stack.callback(process.kill9)
        return process

    def warm_up(self, seconds: float = 1.0) -> None:
        """A little load, then everything delivered and counted from zero."""
        result = self.load(seconds=seconds)
        if self.system.dispatchers:
            self.sink.wait_received(result["events"] * self.endpoints, 60)
        self.sink.reset()

    def drain(self, count: int, seconds: float) -> Drained:
        """A backlog of so many events with the dispatchers stopped, then how fast it is delivered."""
        self.sink.reset()
        for name in self.system.dispatchers:
            self.system.pause(name)
        result = self.load(count=count, batch=500, connections=4)
        before = self.cpu()
        for name in self.system.dispatchers:
            self.system.resume(name)
        stats = self.sink.wait_received(result["events"], seconds)
        cpu = spent(before, self.cpu(), result["events"] / 1_000)
        return Drained(result["events"], result["rate"], result["events"] / stats["seconds"], cpu)

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process; several dispatchers together."""
        spent = {"gateway": 0.0, "dispatcher": 0.0, "store": cpu_seconds(self.system.store.pid)}
        for name, part in self.system.parts.items():
            spent[name.partition("-")[0]] += part.cpu_seconds()
        return {**spent, "sink": self.sink.process.cpu_seconds()}

    def used_memory(self) -> int:
        """INFO memory, used_memory: bytes."""
        with redis.Redis.from_url(self.system.store.url) as client:
            return int(client.info("memory")["used_memory"])


def spent(before: Mapping[str, float], after: Mapping[str, float], units: float) -> dict[str, float]:
    """CPU seconds between two readings, divided by `units`."""
    return {name: round((after[name] - before[name]) / units, 4) for name in after}
