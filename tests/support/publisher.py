"""A publisher with a ledger, as its own process: what it writes down, the system has promised.

    python -m tests.support.publisher --port 8080 --key KEY --ledger FILE --rate 300 --seconds 20 --name p1

Every second event has an id of its own and is sent again with that id until a 202 comes, or until `--patience` is over;
the others get their id from the gateway and are sent once, since a second sending would be another event. A line goes
to the ledger only after a whole 202, or with `t_ack` null when the outcome stayed unknown. Results are one JSON line.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import signal
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import Any, TextIO

import uvloop

from tests.support.pacer import Pacer
from tests.support.wire import Wire, WirePool

_AGAIN_SECONDS = 0.1
_CONNECTIONS = 32
_SUBJECTS = 50
_LATER = frozenset({429, 500, 502, 503, 504})


class Attempted:
    """One event on its way to a 202."""

    __slots__ = ("body", "id", "sha256", "t_send")

    def __init__(self, name: str, number: int, *, with_id: bool, padding: int) -> None:
        data = json.dumps({"publisher": name, "number": number, "pad": "é" * padding}, ensure_ascii=False).encode()
        self.id = f"{name}-{number}" if with_id else None
        self.sha256 = hashlib.sha256(data).hexdigest()
        self.t_send = time.time_ns() / 1e9
        envelope: dict[str, str] = {"type": "chaos.event", "source": f"/{name}"}
        if number % 3:
            envelope["subject"] = f"s-{number % _SUBJECTS}"
        if self.id:
            envelope["id"] = self.id
        self.body = json.dumps(envelope).encode()[:-1] + b', "data": ' + data + b"}"


class Publisher:
    """Sends at a steady rate whatever the answers are."""

    def __init__(self, given: argparse.Namespace, ledger: TextIO) -> None:
        self._given = given
        self._ledger = ledger
        self._pool = WirePool("127.0.0.1", given.port, _CONNECTIONS)
        self._ready: deque[Attempted] = deque()
        self._open: set[Attempted] = set()
        self._made = 0
        self._over = asyncio.Event()
        self._settled = asyncio.Event()
        self.statuses: Counter[str] = Counter()

    async def run(self) -> dict[str, Any]:
        """Publish for the given time, then wait for what is open; counts of answers."""
        await self._pool.open()
        self._pool.on_idle = self._idle
        pacer = Pacer(self._given.rate, time.monotonic_ns(), self._due)
        pacer.start()
        await _within(self._over, self._given.seconds)
        pacer.stop()
        self._over.set()
        self._settle()
        await _within(self._settled, self._given.patience)
        self._pool.close()
        unknown = len(self._open)
        for event in list(self._open):
            self._close(event, event.id, None)
        return {"made": self._made, "given_up": unknown, "statuses": dict(self.statuses)}

    def finish(self) -> None:
        """Make no more events."""
        self._over.set()

    def _settle(self) -> None:
        if self._over.is_set() and not self._open:
            self._settled.set()

    def _due(self, instants: list[int]) -> None:
        for _ in instants:
            self._made += 1
            padding = self._made % 7 * self._given.pad
            event = Attempted(self._given.name, self._made, with_id=self._made % 2 == 0, padding=padding)
            self._open.add(event)
            self._send(event)

    def _send(self, event: Attempted) -> None:
        if self._pool.idle:
            self._issue(self._pool.idle.popleft(), event)
        else:
            self._ready.append(event)

    def _idle(self, wire: Wire) -> None:
        if self._ready:
            self._issue(wire, self._ready.popleft())
        else:
            self._pool.idle.append(wire)

    def _issue(self, wire: Wire, event: Attempted) -> None:
        head = (
            b"POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
        ) % (self._given.port, self._given.key.encode(), len(event.body))
        wire.send(head + event.body, lambda wire, status, body: self._answered(wire, event, status, body))

    def _answered(self, wire: Wire, event: Attempted, status: int, body: bytes) -> None:
        self._pool.release(wire)
        if event not in self._open:
            return
        self.statuses[str(status)] += 1
        if status == 202:
            self._close(event, json.loads(body)["id"], time.time_ns() / 1e9)
        elif status and status not in _LATER:
            self.statuses[f"refused: {body[:300].decode(errors='replace')}"] += 1
            self._close(event, event.id, None)
        elif event.id is None:
            self._close(event, None, None)
        else:
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._send, event)

    def _close(self, event: Attempted, event_id: str | None, t_ack: float | None) -> None:
        line = {"id": event_id, "sha256": event.sha256, "t_send": event.t_send, "t_ack": t_ack}
        self._ledger.write(json.dumps(line) + "\n")
        self._open.discard(event)
        self._settle()


async def _within(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


async def _run(given: argparse.Namespace) -> dict[str, Any]:
    with given.ledger.open("a", buffering=1) as ledger:
        publisher = Publisher(given, ledger)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, publisher.finish)
        return await publisher.run()


def main() -> None:
    """Run once and print the counts; SIGTERM ends the making of events early."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.publisher")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--name", default="p1")
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--patience", type=float, default=60.0)
    parser.add_argument("--pad", type=int, default=50)
    sys.stdout.write(json.dumps(uvloop.run(_run(parser.parse_args()))) + "\n")


if __name__ == "__main__":
    main()
