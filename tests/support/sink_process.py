"""Starts a sink and gives it orders."""

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.ledger import Received, read_received
from tests.support.process import Process
from tests.support.waiting import wait_until


class SinkProcess:
    """A receiver process; with `ledger` it records each request in `<directory>/<name>.received` before it answers."""

    def __init__(self, directory: Path, *, ledger: bool = True, seed: int = 1, name: str = "sink") -> None:
        self.ledger_path = directory / f"{name}.received"
        arguments = ["tests.support.sink", "--seed", str(seed)]
        if ledger:
            arguments += ["--ledger", str(self.ledger_path)]
        self.process = Process(name, arguments, directory)
        self._ports: dict[str, int] = {}

    def __enter__(self) -> Self:
        self.process.start()
        self._ports = self.process.first_json()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill9()

    def url(self, endpoint: str) -> str:
        """The URL to register for an endpoint."""
        return f"http://127.0.0.1:{self._ports['port']}/{endpoint}"

    def configure(self, endpoint: str, **changes: Any) -> None:
        """Set how an endpoint answers; the names are those of `tests.support.sink.Endpoint`, and `secrets`."""
        self._order({"op": "configure", "endpoint": endpoint, **changes})

    def stats(self) -> dict[str, Any]:
        """Counts and latencies since the last reset."""
        return self._order({"op": "stats"})

    def reset(self) -> None:
        """Count from zero."""
        self._order({"op": "reset"})

    def wait_received(self, count: int, seconds: float, endpoint: str | None = None) -> dict[str, Any]:
        """Wait until that many requests have come, at one endpoint or in all; the stats of that moment."""
        stats: dict[str, Any] = {}

        def enough() -> bool:
            stats.update(self.stats())
            seen = stats["received"] if endpoint is None else stats["endpoints"].get(endpoint, 0)
            return bool(seen >= count)

        wait_until(enough, seconds, f"{count} requests at {endpoint or 'the sink'}")
        return stats

    def received(self) -> list[Received]:
        """The ledger so far."""
        return read_received(self.ledger_path)

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self._ports["control"]), timeout=10) as connection:
            connection.sendall(json.dumps(order).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer: dict[str, Any] = json.loads(answers.readline())
                return answer
