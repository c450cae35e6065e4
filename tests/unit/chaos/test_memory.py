"""The slope of memory over time."""

import os

import pytest

from tests.chaos.memory import Memory, Sample, slope
from tests.support.waiting import wait_until


def test_a_line_has_its_slope_whatever_lies_around_it() -> None:
    flat = [Sample(float(at), 100 + (1 if at % 2 else -1)) for at in range(1, 1_001)]
    assert slope(flat) == pytest.approx(0.0, abs=0.001)
    assert slope([Sample(at, 50 + 7 * at) for at in range(10)]) == pytest.approx(7.0)


@pytest.mark.parametrize("samples", [[], [Sample(1.0, 5)], [Sample(1.0, 5), Sample(1.0, 9)]])
def test_nothing_is_made_of_too_little(samples: list[Sample]) -> None:
    assert slope(samples) == 0.0


def test_processes_are_sampled_until_it_is_closed() -> None:
    memory = Memory(lambda: {"own": os.getpid(), "gone": 2**22 + 1})
    memory.run_once()
    wait_until(memory.report, 5, "a sample")
    memory.close()
    (name,) = memory.report()
    assert name == "own"
    assert memory.report()["own"]["largest_mb"] > 1
