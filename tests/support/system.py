"""A whole system in processes of its own, for tests that start, kill, stop, pause and restart its parts.

    with System(tmp_path, dispatchers=2) as system:
        system.api.publish({"type": "order.placed", "data": {}})
        system.kill9("dispatcher-0")
        system.start("dispatcher-0")

Parts: `store`, `gateway`, `dispatcher-0` and so on, `worker`. Every part is ended by its own process id. The interface
is for tests without a running loop. Logs are in the directory, one per part.
"""

import asyncio
import base64
import http.client
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import redis

from gateway.clock import SystemClock
from gateway.store.api_keys import ApiKeys
from gateway.store.connection import connect
from gateway.store.keys import PartitionKeys
from tests.support.api import Api
from tests.support.process import ROOT, Process, clean_environment
from tests.support.valkey import ValkeyServer, free_port
from tests.support.waiting import wait_until

READY_SECONDS = 30.0
GATEWAY = ("gateway.api.server",)
DISPATCHER = ("dispatcher",)
WORKER = ("dispatcher.jobs.worker",)
_MODULES = {"gateway": GATEWAY, "dispatcher": DISPATCHER, "worker": WORKER}


class BrokenPart(AssertionError):
    """A part of the system logged an error that a test did not ask for."""


class System:
    """Starts on entering the context; everything is gone after it.

    `settings` are `HOOKLINE_*` names for all parts; `urls` maps `gateway`, `dispatcher` or `worker` to another URL of
    the store, such as that of a proxy; `environments` adds to the environment of single parts, by name; `modules`
    replaces what a kind of part runs (for measuring). A line of level error in a log fails the test at the end, unless
    its event is among `expected_errors`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        store: ValkeyServer | None = None,
        dispatchers: int = 1,
        worker: bool = False,
        partitions: int = 4,
        settings: Mapping[str, str] | None = None,
        urls: Mapping[str, str] | None = None,
        environments: Mapping[str, Mapping[str, str]] | None = None,
        modules: Mapping[str, tuple[str, ...]] | None = None,
        expected_errors: Sequence[str] = (),
    ) -> None:
        self.directory = directory
        self.store = store or ValkeyServer()
        self.port = free_port()
        self.partitions = partitions
        self.key = ""
        self.api: Api
        self._modules = {**_MODULES, **(modules or {})}
        self._urls = dict(urls or {})
        self._environments = dict(environments or {})
        self._expected = [f'"event": "{name}"' for name in expected_errors]
        self.environment = {
            "HOOKLINE_REDIS_URL": self.store.url,
            "HOOKLINE_HOST": "127.0.0.1",
            "HOOKLINE_PORT": str(self.port),
            "HOOKLINE_DATA": str(directory),
            "HOOKLINE_PARTITIONS": str(partitions),
            "HOOKLINE_ENCRYPTION_KEYS": "k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            "HOOKLINE_EGRESS_ALLOW": "127.0.0.0/8",
            **(settings or {}),
        }
        names = ["gateway", *(f"dispatcher-{number}" for number in range(dispatchers)), *(["worker"] * worker)]
        self.parts = {name: self._part(name) for name in names}

    def _part(self, name: str) -> Process:
        kind = name.partition("-")[0]
        environment = {**self.environment, **self._environments.get(name, {})}
        if kind in self._urls:
            environment["HOOKLINE_REDIS_URL"] = self._urls[kind]
        return Process(name, self._modules[kind], self.directory, environment)

    def __enter__(self) -> Self:
        try:
            if not self.store.running:
                self.store.start()
            self.key = asyncio.run(self._make_key())
            self.api = Api(self.url, self.key)
            for part in self.parts.values():
                part.start()
            self.wait_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and (broken := self.broken()):
            raise BrokenPart(f"{len(broken)} errors in the logs, the first: {broken[0][:3_000]}")

    def broken(self) -> list[str]:
        """Lines of level error in the logs: what no outage and no input explains."""
        lines = [line for name in self.parts for line in self.log(name).splitlines()]
        return [line for line in lines if '"level": "error"' in line and not any(e in line for e in self._expected)]

    @property
    def url(self) -> str:
        """Base URL of the API."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Kill every part, forget the store's data."""
        if hasattr(self, "api"):
            self.api.close()
        for part in self.parts.values():
            part.kill9()
        self.store.__exit__(None, None, None)

    def start(self, name: str) -> None:
        """Start a part that is down; of the gateway and the store, wait until it is ready. A new name is added."""
        if name == "store":
            self.store.start()
            return
        self.parts.setdefault(name, self._part(name)).start()
        if name == "gateway":
            self.wait_gateway()

    def kill9(self, name: str) -> None:
        """SIGKILL, as a crash."""
        if name == "store":
            self.store.kill9()
        else:
            self.parts[name].kill9()

    def stop(self, name: str, seconds: float = 30.0) -> float:
        """SIGTERM; the seconds until it was gone."""
        return self.parts[name].stop(seconds)

    def pause(self, name: str) -> None:
        """SIGSTOP."""
        (self.store if name == "store" else self.parts[name]).pause()

    def resume(self, name: str) -> None:
        """SIGCONT."""
        (self.store if name == "store" else self.parts[name]).resume()

    def restart(self, name: str) -> None:
        """Kill and start again."""
        self.kill9(name)
        self.start(name)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until the gateway is ready and every partition has an owner (when there are dispatchers)."""
        self.wait_gateway(seconds)
        if self.dispatchers:
            wait_until(lambda: all(self.owners()), seconds, "an owner for every partition")

    def wait_gateway(self, seconds: float = READY_SECONDS) -> None:
        """Wait until /readyz answers 200; raises ProcessError with the log when the gateway exits."""
        self.parts["gateway"].wait(lambda: self.status("/readyz") == 200, seconds, "/readyz answers 200")

    def status(self, path: str) -> int:
        """The status of a GET over a connection of its own; 0 when there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2.0)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()

    @property
    def dispatchers(self) -> list[str]:
        """Names of the dispatcher parts."""
        return [name for name in self.parts if name.startswith("dispatcher")]

    def owners(self) -> list[str]:
        """Who holds the lease of each partition; '' for nobody."""
        with redis.Redis.from_url(self.store.url, decode_responses=True) as client:
            return [client.hget(self.keys(number).lease, "owner") or "" for number in range(self.partitions)]

    def drained(self) -> bool:
        """Whether every event is recorded and no delivery is open."""
        with redis.Redis.from_url(self.store.url) as client:
            for names in map(self.keys, range(self.partitions)):
                newest = client.xrevrange(names.log, count=1)
                if client.zcard(names.open) or (newest and client.get(names.recorded) != newest[0][0]):
                    return False
        return True

    def wait_drained(self, seconds: float) -> None:
        """Wait until it is."""
        wait_until(self.drained, seconds, "every delivery in a terminal state")

    def wait_states(self, wanted: Mapping[str, int], seconds: float) -> None:
        """Wait until so many deliveries are in each of these states, by the API."""

        def reached() -> bool:
            return all(len(list(self.api.pages("/v1/deliveries", status=s))) >= n for s, n in wanted.items())

        wait_until(reached, seconds, f"deliveries in the states {dict(wanted)}")

    def stored(self) -> int:
        """How many entries the logs have."""
        with redis.Redis.from_url(self.store.url) as client:
            return sum(client.xlen(self.keys(number).log) for number in range(self.partitions))

    def owned_by(self, name: str) -> list[int]:
        """The partitions whose lease a running dispatcher holds; its member id has its process id in it."""
        mark = f"-{self.parts[name].pid}-"
        return [number for number, owner in enumerate(self.owners()) if mark in owner]

    def wait_balanced(self, seconds: float = READY_SECONDS) -> None:
        """Wait until every running dispatcher holds its share, within one partition."""
        running = [name for name in self.dispatchers if self.parts[name].running]

        def even() -> bool:
            shares = [len(self.owned_by(name)) for name in running]
            return sum(shares) == self.partitions and max(shares) - min(shares) <= 1

        wait_until(even, seconds, "an even share for every dispatcher")

    def keys(self, number: int) -> PartitionKeys:
        """The keys of a partition."""
        return PartitionKeys(number, self.partitions)

    def command(self, *arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """`hookline ARGUMENTS` with this system's settings."""
        line = [sys.executable, "-m", "gateway.cli.main", *arguments]
        environment = clean_environment(self.environment)
        return subprocess.run(
            line, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )

    def log(self, name: str) -> str:
        """What a part wrote, over all its runs."""
        path = self.directory / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def _make_key(self) -> str:
        client = connect(self.store.url)
        try:
            _, text = await ApiKeys(client, SystemClock()).create("tests", ["admin"])
        finally:
            await client.aclose()
        return text
