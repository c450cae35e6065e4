"""Power cuts: a store that runs under the fsync shim, killed, and its append-only file cut to what the disk had.

    with UnsafePower() as store:           # a ValkeyServer whose syncs are written down
        store.slow_disk(1500)              # each sync takes so many milliseconds longer from now on
        lost = store.power_cut()           # kill -9, then cut; `store.start()` brings it back

A real power cut loses what was never synced, or any part of it: the file keeps its size at the last completed sync
plus a random part of the rest (a torn tail).
"""

import random
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.support import shims
from tests.support.valkey import ValkeyServer


class UnsafePower(ValkeyServer):
    """A store that can lose its power; its directory is its own."""

    def __init__(self, settings: Mapping[str, str] | None = None, *, seed: int = 1) -> None:
        directory = Path(tempfile.mkdtemp(prefix="hookline-power-"))
        self._syncs = directory / "syncs"
        self._delay = directory / "delay"
        self._random = random.Random(seed)
        environment = {
            "LD_PRELOAD": str(shims.build("fsync_shim")),
            "FSYNC_SHIM_LOG": str(self._syncs),
            "FSYNC_SHIM_DELAY": str(self._delay),
        }
        super().__init__(settings, directory=directory, environment=environment)
        self._own_directory = True

    def slow_disk(self, milliseconds: int) -> None:
        """How much longer each sync takes from now on."""
        self._delay.write_text(str(milliseconds))

    def synced(self) -> dict[int, int]:
        """Size at the last completed sync, by inode."""
        sizes: dict[int, int] = {}
        if self._syncs.exists():
            for line in self._syncs.read_text().splitlines():
                inode, size = line.split()
                sizes[int(inode)] = int(size)
        return sizes

    def power_cut(self) -> int:
        """Kill it, cut its files; how many bytes were lost."""
        self.kill9()
        sizes = self.synced()
        lost = 0
        for path in self.directory.glob("*/*.incr.aof"):
            inode, size = path.stat().st_ino, path.stat().st_size
            safe = min(sizes.get(inode, 0), size)
            kept = safe + self._random.randint(0, size - safe)
            with path.open("r+b") as file:
                file.truncate(kept)
            sizes[inode] = kept
            lost += size - kept
        self._syncs.write_text("".join(f"{inode} {size}\n" for inode, size in sizes.items()))
        return lost
