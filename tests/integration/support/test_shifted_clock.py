"""The wall clock of another process moves when told, and nothing else does."""

import functools
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from tests.support import shims
from tests.support.shifted_clock import ShiftedClock
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(shims.compiler() is None, reason="needs a C compiler for the clock shim")
SAY = "import time, datetime; print(time.time(), datetime.datetime.now().timestamp(), time.monotonic())"


@pytest.mark.parametrize("seconds", [0, 600, -3_600])
def test_a_python_process_sees_the_shift(tmp_path: Path, seconds: int) -> None:
    clock = ShiftedClock(tmp_path)
    clock.shift(seconds)
    said = subprocess.run([sys.executable, "-c", SAY], env=dict(clock.environment), capture_output=True, check=True)
    wall, shown, monotonic = map(float, said.stdout.split())
    assert wall - time.time_ns() / 1e9 == pytest.approx(seconds, abs=10)
    assert shown == pytest.approx(wall, abs=1)
    assert monotonic == pytest.approx(time.monotonic(), abs=10)


def test_the_clock_of_a_running_store_jumps(tmp_path: Path) -> None:
    clock = ShiftedClock(tmp_path)
    with ValkeyServer(environment=clock.environment) as store, redis.Redis.from_url(store.url) as client:

        def is_ahead_by(seconds: float) -> bool:
            return bool(abs(client.time()[0] - time.time_ns() / 1e9 - seconds) < 10)

        for seconds in (600, -3_600, 0):
            clock.shift(seconds)
            wait_until(functools.partial(is_ahead_by, seconds), 5, f"a shift of {seconds} s")
