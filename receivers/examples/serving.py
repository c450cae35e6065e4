"""Serves an example's receiver with granian until Ctrl-C or SIGTERM, and says in one line why it cannot."""

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable

from receivers.receiver import Receiver

MAXIMUM_PORT = 65_535
_OPENING_POLLS, _OPENING_POLL_SECONDS = 500, 0.02


class CannotStart(Exception):
    """One line for the person: what is in the way, and the way out."""


def free_port(host: str, port: int) -> int:
    """`port`, or any free one for 0. Raises CannotStart when it is taken.

    The server binds with SO_REUSEPORT and would silently share the port with another one of its kind.
    """
    if not 0 <= port <= MAXIMUM_PORT:
        raise CannotStart(f"{port} is not a port; give another --port")
    try:
        with socket.create_server((host, port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        # a name that is not found has a number of its own, which is not the system's
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
        raise CannotStart(f"cannot listen on {host}:{port} ({reason}); give another --port") from None


async def serve(receiver: Receiver, host: str, port: int, listening: Callable[[], None]) -> None:
    """Serve until SIGINT or SIGTERM; `listening` is called once the port takes connections."""
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
        listening()
    await serving


def _opened(host: str, port: int) -> bool:
    # the server says nothing when it is ready
    pause = threading.Event()
    for _ in range(_OPENING_POLLS):
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            return True
        pause.wait(_OPENING_POLL_SECONDS)
    return False


def leave(status: int) -> None:
    """End the process at once: granian's threads may outlive the interpreter's end and then panic."""
    os._exit(status)
