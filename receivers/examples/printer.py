"""A receiver of your own: prints every verified event on one line, and why anything else was refused.

    python -m receivers.examples.printer --secret whsec_… [--port 9000]

The secret may also be in HOOKLINE_SECRET. What the sender wrote is printed as JSON strings, so that control characters
cannot reach the terminal. Repeats are recognised while it runs (inbox in memory).
"""

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping, Sequence

from receivers.errors import ReceiverError
from receivers.event import Event
from receivers.examples.serving import CannotStart, free_port, leave, serve
from receivers.receiver import Receiver
from receivers.result import Outcome, Result

_DATA_CHARACTERS = 160


def describe(event: Event) -> str:
    """Type, id, attempt, subject and the beginning of the data, on one line of ASCII."""
    data = json.dumps(event.data, separators=(",", ":"))
    if len(data) > _DATA_CHARACTERS:
        data = data[:_DATA_CHARACTERS] + "..."
    parts = [event.type, event.id, f"attempt {event.attempt or '?'}"]
    if event.replay is not None:
        parts.append(f"replay {json.dumps(event.replay.run)}")
    if event.subject is not None:
        parts.append(f"subject {json.dumps(event.subject)}")
    return "  ".join([*parts, data])


def explain(result: Result) -> str:
    """One line for any result."""
    if result.event is None:
        return f"refused {result.status}  {result.code}: {result.detail}"
    if result.outcome is Outcome.HANDLED:
        return f"verified  {describe(result.event)}"
    return f"{result.outcome}  {describe(result.event)}"


def build(secrets: Sequence[str]) -> Receiver:
    """The receiver: takes every event type and prints each result."""
    receiver = Receiver(secrets, observe=lambda result: _say(explain(result)))

    @receiver.on("*", "hookline.*")
    async def take(event: Event) -> None:
        """Your own work goes here; the observer prints."""

    return receiver


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ) -> int:
    """Run until Ctrl-C or SIGTERM; 0, or 1 after one line on what is in the way."""
    options = _options(arguments)
    try:
        receiver = build(_secrets(options.secret, environment))
        port = free_port(options.host, options.port)
        address = f"http://{options.host}:{port}"
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C before the loop listens to signals
            asyncio.run(serve(receiver, options.host, port, lambda: _say(f"listening on {address}  (Ctrl-C stops)")))
    except (CannotStart, ReceiverError) as error:
        sys.stderr.write(f"printer: {error}\n")
        return 1
    _say("stopped")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m receivers.examples.printer", description="Print verified webhooks.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=9000, help="port to listen on, 0 for any (default 9000)")
    parser.add_argument("--secret", action="append", help="whsec_… or whpk_…; may be given again during rotation")
    return parser.parse_args(arguments)


def _secrets(given: list[str] | None, environment: Mapping[str, str]) -> list[str]:
    secrets = given or environment.get("HOOKLINE_SECRET", "").split()
    if not secrets:
        raise CannotStart("no secret: give --secret whsec_… or set HOOKLINE_SECRET to the endpoint's secret")
    return secrets


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    leave(main())
