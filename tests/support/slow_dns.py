"""`python -m tests.support.slow_dns`: real lookups of slow and healthy names, in namespaces of their own.

Its network has nothing but loopback, its /etc/resolv.conf names a DNS server that answers for names under `slow.test`
after ten seconds and at once for all others. Prints what `run` returns.
"""

import asyncio
import fcntl
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.egress.resolver import Resolver
from tests.support.process import ROOT, clean_environment

ADDRESS = "127.0.0.1"
SLOW_SECONDS = 10.0
SLOW_NAMES, HEALTHY_NAMES = 64, 20
_NAMESPACES = ("unshare", "--map-root-user", "--mount", "--net")
_SIOCSIFFLAGS, _UP = 0x8914, 0x1


def possible() -> bool:
    """Whether this machine lets us have such namespaces."""
    if shutil.which("unshare") is None:
        return False
    trial = subprocess.run([*_NAMESPACES, "true"], capture_output=True, check=False)
    return trial.returncode == 0


def measure() -> dict[str, Any]:
    """Run this module in namespaces; its figures."""
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder, "resolv.conf")
        configuration.write_text(f"nameserver {ADDRESS}\n", "ascii")
        work = f"mount --bind {configuration} /etc/resolv.conf && exec {sys.executable} -m tests.support.slow_dns"
        done = subprocess.run(
            [*_NAMESPACES, "sh", "-c", work],
            env=clean_environment(),
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=True,
        )
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _UP))


def _serve(server: socket.socket) -> None:
    while True:
        query, sender = server.recvfrom(2_048)
        seconds = SLOW_SECONDS if b"\x04slow\x04test" in query else 0.0
        threading.Timer(seconds, server.sendto, (_answer(query), sender)).start()


def _answer(query: bytes) -> bytes:
    """127.0.0.1 for an A question, no record for any other (RFC 1035 4.1)."""
    end = query.index(b"\0", 12) + 5
    is_a = query[end - 4 : end - 2] == b"\0\x01"
    record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x05\0\x04" + socket.inet_aton(ADDRESS) if is_a else b""
    return query[:2] + b"\x81\x80\0\x01" + struct.pack(">H", is_a) + b"\0\0\0\0" + query[12:end] + record


async def run() -> dict[str, Any]:
    """Ask for many slow names, then for healthy ones: the worst milliseconds of these, and how many slow ones wait."""
    resolver = Resolver(SystemClock())
    slow = [asyncio.ensure_future(resolver.resolve(f"n{number}.slow.test")) for number in range(SLOW_NAMES)]
    took = []
    for number in range(HEALTHY_NAMES):
        begun = time.monotonic()
        assert await resolver.resolve(f"n{number}.healthy.test") == [ADDRESS]
        took.append((time.monotonic() - begun) * 1_000)
    waiting = sum(not one.done() for one in slow)
    for one in slow:
        one.cancel()
    resolver.close()
    return {"worst_ms": max(took), "waiting": waiting}


def main() -> None:
    """Serve and ask."""
    _bring_loopback_up()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((ADDRESS, 53))
    threading.Thread(target=_serve, args=(server,), daemon=True).start()
    sys.stdout.write(json.dumps(asyncio.run(run())) + "\n")
    sys.stdout.flush()
    # timers and lookups that nobody waits for any more
    os._exit(0)


if __name__ == "__main__":
    main()
