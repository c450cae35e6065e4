"""A load generator as its own process: prebuilt bytes over keep-alive connections, results as one JSON line.

    python -m tests.support.loadgen --port 8080 --key KEY --seconds 5                  # closed loop, 64 connections
    python -m tests.support.loadgen --port 8080 --key KEY --seconds 5 --rate 1000      # open loop
    python -m tests.support.loadgen --port 8080 --key KEY --count 50000 --batch 500    # so many events, in batches

Closed loop: each connection sends its next request when its answer is in; latency is that of the request. Open loop:
event i is due at start + i / rate whatever the answers do, and latency counts from that instant (no coordinated
omission). The instant of each event also rides in its payload. An event without a 202 counts as refused.
"""

import argparse
import asyncio
import gc
import json
import secrets
import sys
import time
from array import array
from collections import Counter, deque
from typing import Any

import uvloop

from tests.support.pacer import Pacer
from tests.support.samples import DIGITS, MARK, percentiles
from tests.support.wire import Wire, WirePool

_REFUSED_PAUSE = 0.05
_AFTER = b'","pad":"'
_GOOD = frozenset({200, 202})


class Requests:
    """Prebuilt requests; only subject and instant inside differ. `size` is the payload's bytes.

    `subjects` is how many different ones there are; 0: events have none, and so no ordering key.
    """

    def __init__(self, port: int, key: str, event_type: str, size: int, batch: int, subjects: int) -> None:
        pad = size - len(b"{" + MARK) - DIGITS - len(_AFTER) - len(b'"}')
        before = b'{"type":"%b",' % event_type.encode()
        self._after = b'"data":{' + MARK + b"%020d" + _AFTER + b"x" * max(pad, 0) + b'"}}'
        self._before = [before + b'"subject":"s-%06d",' % number for number in range(subjects)] or [before]
        self._batch = batch
        self._made = 0
        self._run = secrets.token_hex(4).encode()
        length = len(self._event(0, 0))
        if batch:
            length = batch * (length + 1) + 1
        path = b"/v1/events/batch" if batch else b"/v1/events"
        self._head = (
            b"POST %b HTTP/1.1\r\nhost: 127.0.0.1:%d\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n" % (path, port, key.encode(), length)
        )

    @property
    def events(self) -> int:
        """How many events one request carries."""
        return self._batch or 1

    def make(self, instant_ns: int) -> bytes:
        """The bytes of one request."""
        self._made += 1
        if not self._batch:
            return b"%b\r\n%b" % (self._head, self._event(self._made, instant_ns))
        events = b",".join([self._event(self._made + i, instant_ns) for i in range(self._batch)])
        return b"%bidempotency-key: %b-%d\r\n\r\n[%b]" % (self._head, self._run, self._made, events)

    def _event(self, number: int, instant_ns: int) -> bytes:
        return self._before[number % len(self._before)] + self._after % instant_ns

    def accepted(self, status: int, body: bytes) -> int:
        """How many events an answer acknowledges."""
        if status == 200 and self._batch:
            return int(json.loads(body)["accepted"])
        return 1 if status in _GOOD else 0


class Run:
    """One run and its counts."""

    def __init__(self, pool: WirePool, requests: Requests, count: int | None, seconds: float | None) -> None:
        self._pool = pool
        self._requests = requests
        self._left = count if count is not None else sys.maxsize
        self._seconds = seconds
        self._deadline_ns = 0
        self._in_flight = 0
        self._begun_ns = 0
        self._last_ns = 0
        self._done = asyncio.Event()
        self._waiting: deque[int] = deque()
        self._cpu = time.process_time()
        self.events = 0
        self.statuses: Counter[int] = Counter()
        self.latencies = array("q")
        self.lateness = array("q")

    async def closed(self) -> None:
        """Every connection sends as soon as it may."""
        self._begin()
        idle = list(self._pool.idle)
        self._pool.idle.clear()
        self._pool.on_idle = self._next
        for wire in idle:
            self._next(wire)
        await self._done.wait()

    async def open(self, rate: float) -> None:
        """Events are due at a fixed rate."""
        self._begin()
        self._pool.on_idle = self._idle
        pacer = Pacer(rate / self._requests.events, self._begun_ns, self._due)
        pacer.start()
        await self._done.wait()
        pacer.stop()

    def _begin(self) -> None:
        self._begun_ns = time.monotonic_ns()
        self._deadline_ns = self._begun_ns + round((self._seconds or 600.0) * 1e9)

    @property
    def _over(self) -> bool:
        return self._left <= 0 or time.monotonic_ns() >= self._deadline_ns

    def _next(self, wire: Wire) -> None:
        if self._over:
            if self._in_flight == 0:
                self._done.set()
            return
        self._issue(wire, time.monotonic_ns())

    def _due(self, instants: list[int]) -> None:
        for instant in instants:
            if self._left <= 0 or instant >= self._deadline_ns:
                self._left = 0
                break
            if self._pool.idle:
                self._issue(self._pool.idle.popleft(), instant)
            else:
                self._waiting.append(instant)
        self._finish_open()

    def _idle(self, wire: Wire) -> None:
        if self._waiting:
            self._issue(wire, self._waiting.popleft())
        else:
            self._pool.idle.append(wire)
        self._finish_open()

    def _finish_open(self) -> None:
        if self._left <= 0 and not self._waiting and not self._in_flight:
            self._done.set()

    def _issue(self, wire: Wire, instant: int) -> None:
        self._left -= self._requests.events
        self._in_flight += 1
        wire.started_ns = instant
        self.lateness.append(time.monotonic_ns() - instant)
        wire.send(self._requests.make(instant), self._answered)

    def _answered(self, wire: Wire, status: int, body: bytes) -> None:
        self._in_flight -= 1
        self._last_ns = now = time.monotonic_ns()
        self.statuses[status] += 1
        self.events += self._requests.accepted(status, body)
        if status in _GOOD:
            self.latencies.append(now - wire.started_ns)
            self._pool.release(wire)
        else:
            asyncio.get_running_loop().call_later(_REFUSED_PAUSE, self._pool.release, wire)
        if self._over and not self._in_flight and not self._waiting:
            self._done.set()

    def result(self) -> dict[str, Any]:
        """Counts, events per second over first request to last answer, milliseconds, own CPU."""
        seconds = (self._last_ns - self._begun_ns) / 1e9
        cpu = time.process_time() - self._cpu
        return {
            "events": self.events,
            "refused": sum(self.statuses.values()) * self._requests.events - self.events,
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "begun_ns": self._begun_ns,
            "seconds": round(seconds, 4),
            "rate": round(self.events / seconds, 1) if seconds > 0 else 0.0,
            "latency_ms": percentiles(self.latencies),
            "lateness_ms": percentiles(self.lateness),
            "cpu_seconds": round(cpu, 3),
            "cpu_us_per_event": round(1e6 * cpu / self.events, 1) if self.events else None,
        }


def _requests(given: argparse.Namespace) -> Requests:
    return Requests(given.port, given.key, given.type, given.size, given.batch, given.subjects)


async def _run(given: argparse.Namespace) -> dict[str, Any]:
    pool = WirePool("127.0.0.1", given.port, given.connections)
    await pool.open()
    run = Run(pool, _requests(given), given.count, given.seconds)
    await (run.open(given.rate) if given.rate else run.closed())
    pool.close()
    return run.result()


def main() -> None:
    """Run once and print the result."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.loadgen")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--count", type=int)
    parser.add_argument("--rate", type=float)
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--type", default="bench.event")
    parser.add_argument("--subjects", type=int, default=1_000)
    given = parser.parse_args()
    if given.seconds is None and given.count is None:
        parser.error("give --seconds or --count")
    gc.disable()
    sys.stdout.write(json.dumps(uvloop.run(_run(given))) + "\n")


if __name__ == "__main__":
    main()
