"""The one module that touches the machine's clocks."""

import time

from gateway.clock import SystemClock, system_random


async def test_the_system_clock_goes_forward() -> None:
    clock = SystemClock()
    wall, monotonic = clock.wall_ms(), clock.monotonic()
    await clock.sleep(0.0)
    assert abs(clock.wall_ms() - time.time_ns() // 1_000_000) < 1_000
    assert clock.wall_ms() >= wall
    assert clock.monotonic() >= monotonic


def test_jitter_stays_in_its_range() -> None:
    drawn = [system_random().uniform(0.8, 1.2) for _ in range(100)]
    assert all(0.8 <= value <= 1.2 for value in drawn)
    assert len(set(drawn)) > 1
