"""How much memory the processes of a system use over time, restarts included, and whether it grows."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tests.support.process import resident_bytes

EVERY_SECONDS = 2.0
WARM_SECONDS = 10.0
"""What a process takes to fill its caches; younger ones are not counted."""
MEGABYTE = 1_048_576


class Sample(NamedTuple):
    """Seconds since the beginning, resident bytes."""

    at: float
    resident: int


def slope(samples: Sequence[Sample]) -> float:
    """Growth in bytes per second by a least-squares line; 0 for fewer than two samples or for no time between them."""
    if len(samples) < 2:
        return 0.0
    mean_at = sum(sample.at for sample in samples) / len(samples)
    mean_resident = sum(sample.resident for sample in samples) / len(samples)
    spread = sum((sample.at - mean_at) ** 2 for sample in samples)
    together = sum((sample.at - mean_at) * (sample.resident - mean_resident) for sample in samples)
    return together / spread if spread else 0.0


class Memory:
    """Samples in a thread until it is closed; `processes()` names the process id of each kind of part that runs."""

    def __init__(self, processes: Callable[[], Mapping[str, int]]) -> None:
        self._processes = processes
        self._samples: dict[str, list[Sample]] = {}
        self._born: dict[int, float] = {}
        self._begun = time.monotonic()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """No more samples."""
        self._over.set()
        self._thread.join()

    def run_once(self) -> None:
        """Look at every process that is old enough."""
        now = time.monotonic() - self._begun
        for name, pid in self._processes().items():
            born = self._born.setdefault(pid, now)
            resident = resident_bytes(pid)
            if resident and (now - born >= WARM_SECONDS or now < WARM_SECONDS):
                self._samples.setdefault(name, []).append(Sample(now, resident))

    def _run(self) -> None:
        while not self._over.wait(EVERY_SECONDS):
            self.run_once()

    def report(self) -> dict[str, dict[str, float]]:
        """For each part: the largest, in MB, and the slope, in MB per hour."""
        return {
            name: {
                "largest_mb": round(max(sample.resident for sample in samples) / MEGABYTE, 1),
                "slope_mb_per_hour": round(slope(samples) * 3_600 / MEGABYTE, 1),
            }
            for name, samples in sorted(self._samples.items())
        }
