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
import signal
import socket
import sys
import threading
from collections.abc import Mapping, Sequence

from receivers.errors import ReceiverError
from receivers.event import Event
from receivers.receiver import Receiver
from receivers.result import Outcome, Result

_DATA_CHARACTERS = 160
_MAXIMUM_PORT = 65535
_OPENING_POLLS, _OPENING_POLL_SECONDS = 500, 0.02


class CannotStart(Exception):
    """One line for the person: what is in the way, and the way out."""


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
        port = _free(options.host, options.port)
        with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C before the loop listens to signals
            asyncio.run(_serve(receiver, options.host, port))
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


def _free(host: str, port: int) -> int:
    if not 0 <= port <= _MAXIMUM_PORT:
        raise CannotStart(f"{port} is not a port; give --port 0 to {_MAXIMUM_PORT}")
    # the server binds with SO_REUSEPORT and would silently share the port with another one of its kind
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else "no such address"
        raise CannotStart(f"cannot listen on {host}:{port} ({reason}); give another --port") from None


async def _serve(receiver: Receiver, host: str, port: int) -> None:
    try:
        from granian.constants import Interfaces
        from granian.server.embed import Server
    except ImportError:
        raise CannotStart("it is served by granian: pip install 'hookline[server]'") from None
    server = Server(receiver, host, port, interface=Interfaces.ASGI, websockets=False, log_enabled=False)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve())
    if await asyncio.to_thread(_opened, host, port):
        _say(f"listening on http://{host}:{port}  (Ctrl-C stops)")
    await serving


def _opened(host: str, port: int) -> bool:
    """Wait until the port takes connections; the server says nothing when it is ready."""
    pause = threading.Event()
    for _ in range(_OPENING_POLLS):
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return True
        pause.wait(_OPENING_POLL_SECONDS)
    return False


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    status = main()
    # granian's threads may outlive the interpreter's end and then panic after the last line: do not wait for it
    os._exit(status)
