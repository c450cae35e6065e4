"""Three services of a small shop, for the demo: each verifies, deduplicates and handles the orders that reach it.

    HOOKLINE_SECRET=whsec_… python -m receivers.examples.shop --name payments --port 9001 [--hold]

Every request becomes one JSON line on standard output, written before it is answered:

    {"service", "outcome", "status", "verified", "id", "type", "subject", "attempt", "at_ms", "note"}

`verified` is true only when the signature was; `at_ms` is this machine's wall clock. The first line is
`{"service", "outcome": "listening", "port"}`. With `--hold` the service is loaded but does not listen until it reads a
line from standard input: a service that is down, and can be back in an instant.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from receivers import clock
from receivers.errors import ReceiverError
from receivers.event import Event
from receivers.examples.serving import CannotStart, free_port, leave, serve
from receivers.receiver import Receiver
from receivers.result import Outcome, Result

HOST = "127.0.0.1"
POINTS = 10
Emit = Callable[[Mapping[str, Any]], None]


class Payments:
    """Charges cards; each order must be charged once, whatever is sent again."""

    repeated = "known, the card is not charged twice"

    def handle(self, order: Mapping[str, Any], /) -> str:
        """Charge."""
        return f"card charged, {order.get('total', '?')}"


class Shipping:
    """Books parcels."""

    repeated = "known, no second parcel"

    def handle(self, _order: Mapping[str, Any], /) -> str:
        """Book."""
        return "parcel booked"


class Loyalty:
    """Collects points."""

    repeated = "known, no points twice"

    def __init__(self) -> None:
        self._points = 0

    def handle(self, _order: Mapping[str, Any], /) -> str:
        """Add."""
        self._points += POINTS
        return f"{POINTS} points more, {self._points} in all"


Service = Payments | Shipping | Loyalty
SERVICES: Mapping[str, Callable[[], Service]] = {"payments": Payments, "shipping": Shipping, "loyalty": Loyalty}


def build(name: str, secret: str, emit: Emit) -> Receiver:
    """The receiver of one service; `emit` gets the line of every request. Raises SecretError."""
    service = SERVICES[name]()
    notes: dict[str, str] = {}

    def observe(result: Result) -> None:
        emit(
            {"service": name, **line(result, notes, service.repeated), "at_ms": round(clock.wall_seconds() * 1_000, 1)}
        )

    receiver = Receiver(secret, observe=observe)

    @receiver.on("order.*")
    async def order(event: Event) -> None:
        notes[event.id] = service.handle(event.data if isinstance(event.data, dict) else {})

    return receiver


def line(result: Result, notes: dict[str, str], repeated: str) -> dict[str, Any]:
    """What one request came to."""
    event = result.event
    said: dict[str, Any] = {"outcome": result.outcome.value, "status": result.status, "verified": event is not None}
    if event is None:
        return {**said, "note": f"{result.code}: {result.detail}"}
    note = repeated if result.outcome is Outcome.DUPLICATE else notes.pop(event.id, result.detail)
    return {
        **said, "id": event.id, "type": event.type, "subject": event.subject, "attempt": event.attempt, "note": note,
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run until SIGTERM; 0, or 1 after one line on what is in the way."""
    options = _options(arguments)
    try:
        receiver = build(options.name, environment.get("HOOKLINE_SECRET", ""), _emit)
        if options.hold:
            _emit({"service": options.name, "outcome": "held"})
            sys.stdin.readline()
        port = free_port(HOST, options.port)
        opened = {"service": options.name, "outcome": "listening", "port": port}
        asyncio.run(serve(receiver, HOST, port, lambda: _emit(opened)))
    except (CannotStart, ReceiverError) as error:
        sys.stderr.write(f"{options.name}: {error}\n")
        return 1
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m receivers.examples.shop", description="A service of the demo's shop.")
    parser.add_argument("--name", required=True, choices=sorted(SERVICES), help="which service")
    parser.add_argument("--port", type=int, required=True, help="port to listen on, 0 for any")
    parser.add_argument("--hold", action="store_true", help="listen only after a line on standard input")
    return parser.parse_args(arguments)


def _emit(members: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(members, separators=(",", ":")) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    leave(main())
