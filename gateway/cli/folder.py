"""The data folder (`HOOKLINE_DATA`): what lies in it, and its lock.

    lock              held by the running supervisor, and by its store; the supervisor's process id
    store/            the embedded store, see gateway.store.embedded
    admin-key         embedded only: the first API key, readable by the owner only
    encryption-keys   embedded only: the keys that the secrets are encrypted with
    logs/             one file for each process

The lock is an advisory lock on an open file. The store inherits that file, so the folder stays locked for as long as
the store lives, even when its supervisor was killed: two servers on one append-only file destroy it.
"""

import contextlib
import fcntl
import os
from pathlib import Path

from gateway.cli.errors import CommandFailed
from gateway.clock import Clock

ORPHAN_SECONDS = 10.0
"""How long a killed supervisor's store may take to end: it is told to end when its parent is gone."""
_POLL_SECONDS = 0.1
_LOG_BYTES = 8 * 1_048_576


def shown(path: Path) -> str:
    """The path as a person would type it from here."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else absolute)


class DataFolder:
    """The folder `path`; made, with its logs, when it is locked."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.logs = self.path / "logs"
        self.admin_key = self.path / "admin-key"
        self.encryption_keys = self.path / "encryption-keys"
        self._descriptor: int | None = None

    @property
    def lock_descriptor(self) -> int:
        """The locked file, for the store to inherit."""
        if self._descriptor is None:
            raise RuntimeError("the folder is not locked")
        return self._descriptor

    def log(self, name: str) -> Path:
        """The log file of a process."""
        return self.logs / f"{name}.log"

    async def lock(self, clock: Clock) -> None:
        """Take the folder for this process. Raises CommandFailed when another one has it or it cannot be written."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.logs.mkdir(exist_ok=True)
            self._descriptor = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise CommandFailed(
                f"cannot write to {shown(self.path)} ({error.strerror}): set HOOKLINE_DATA to a folder of yours"
            ) from None
        await self._wait(clock)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    async def _wait(self, clock: Clock) -> None:
        until = clock.monotonic() + ORPHAN_SECONDS
        while not self._try_lock():
            owner = self._owner()
            if owner is not None or clock.monotonic() > until:
                who = f"process {owner}" if owner else "a store whose supervisor was killed"
                raise CommandFailed(
                    f"{shown(self.path)} is in use by {who}: "
                    f"{'stop that one' if owner else 'end that process (its id is in store/valkey.pid)'}, "
                    "or set HOOKLINE_DATA to another folder"
                )
            await clock.sleep(_POLL_SECONDS)

    def _try_lock(self) -> bool:
        try:
            fcntl.flock(self.lock_descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _owner(self) -> int | None:
        """The living process that wrote its id into the lock."""
        text = os.pread(self.lock_descriptor, 20, 0).decode(errors="replace").strip()
        if not text.isdigit() or not is_alive(int(text)):
            return None
        return int(text)

    def unlock(self) -> None:
        """Give the folder back."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def is_locked(self) -> bool:
        """Whether a supervisor, or its store, runs on this folder."""
        with contextlib.suppress(FileNotFoundError), (self.path / "lock").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def turn_logs(self) -> None:
        """Put large logs of earlier runs aside; the one before is kept."""
        for path in self.logs.glob("*.log"):
            if path.stat().st_size > _LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))


def is_alive(process: int) -> bool:
    """Whether a process of that id exists."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
