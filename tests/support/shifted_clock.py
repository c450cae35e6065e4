"""A wall clock that a test moves while the process that looks at it runs.

clock = ShiftedClock(directory)
... start a process with `clock.environment` added to its own ...
clock.shift(-3600)              # from now on it is an hour ago there
"""

import struct
from collections.abc import Mapping
from pathlib import Path

from tests.support import shims


class ShiftedClock:
    """One shift, shared by all processes that were started with `environment`."""

    def __init__(self, directory: Path, name: str = "clock") -> None:
        self._file = directory / f"{name}.shift"
        self._file.write_bytes(bytes(8))

    @property
    def environment(self) -> Mapping[str, str]:
        """What the process needs in its environment."""
        return {"LD_PRELOAD": str(shims.build("clock_shim")), "CLOCK_SHIM_FILE": str(self._file)}

    def shift(self, seconds: float) -> None:
        """How far that clock is from the real one, from now on."""
        with self._file.open("r+b") as file:
            file.write(struct.pack("=q", round(seconds * 1e9)))
