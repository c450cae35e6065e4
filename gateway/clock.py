"""Time, randomness and waiting, injected everywhere so that tests never sleep.

Nothing else in the project calls `time.time`, `asyncio.sleep` or `random` (a lint rule bans them).
"""

import asyncio
import random
import time
from typing import Protocol


class Clock(Protocol):
    """What a loop may know of time."""

    def wall_ms(self) -> int:
        """Milliseconds since the epoch; for people and signatures, never for deciding who owns what."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for every timeout and lease."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clocks."""

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # noqa: TID251 - the one place that may


class Random(Protocol):
    """What a decision may draw."""

    def uniform(self, low: float, high: float) -> float:
        """A float in [low, high]."""
        ...


def system_random() -> Random:
    """Randomness for jitter; never for secrets."""
    return random.Random()  # noqa: S311 - jitter, not cryptography
