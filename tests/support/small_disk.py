"""A file system of a few megabytes that can be full: tmpfs in a mount namespace of its own, gone with it.

with SmallDisk(Path("/tmp/x"), megabytes=24) as disk:
    Process("up", ["gateway.cli.main", "up"], logs, {"HOOKLINE_DATA": str(disk.path)}, prefix=disk.prefix)
    (disk.outside / "admin-key").read_text()     # the same file, seen from here
    disk.grow(256)
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_ROOT = os.geteuid() == 0
_NAMESPACES = ("-m",) if _ROOT else ("-m", "-U", "-r")
_SAME_NAMESPACES = ("-m",) if _ROOT else ("-m", "-U", "--preserve-credentials")


def possible() -> bool:
    """Whether this process may mount in a namespace of its own; containers often may not."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        return False
    trial = ["unshare", *_NAMESPACES, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", "/mnt"]
    return subprocess.run(trial, capture_output=True, check=False).returncode == 0


class SmallDisk:
    """Mounted at `path` for processes that are started with `prefix`; nobody else sees it there."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._megabytes = megabytes
        self._holder: subprocess.Popen[str]

    def __enter__(self) -> Self:
        self.path.mkdir(exist_ok=True)
        work = f'mount -t tmpfs -o size={self._megabytes}m tmpfs "$0" && echo mounted && exec cat'
        self._holder = subprocess.Popen(
            ["unshare", *_NAMESPACES, "sh", "-c", work, str(self.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "mounted\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holder.communicate()

    @property
    def prefix(self) -> Sequence[str]:
        """What a command line begins with to see the disk."""
        return ("nsenter", "-t", str(self._holder.pid), *_SAME_NAMESPACES, "--")

    @property
    def outside(self) -> Path:
        """The disk as everyone sees it (proc(5), `root`)."""
        return Path(f"/proc/{self._holder.pid}/root{self.path}")

    def free_bytes(self) -> int:
        """What can still be written."""
        found = os.statvfs(self.outside)
        return found.f_bavail * found.f_frsize

    def grow(self, megabytes: int) -> None:
        """Make room."""
        command = [*self.prefix, "mount", "-o", f"remount,size={megabytes}m", str(self.path)]
        subprocess.run(command, check=True, capture_output=True)
