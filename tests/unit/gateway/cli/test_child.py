"""Decisions about a child; its life is in the integration tests."""

import pytest

from gateway.cli import child


def test_waits_double_up_to_ten_seconds() -> None:
    waits = [0.0]
    for _ in range(7):
        waits.append(child.next_wait(waits[-1], lived_seconds=0.1))
    assert waits[1:] == [0.5, 1, 2, 4, 8, 10, 10]


def test_a_good_life_forgives() -> None:
    assert child.next_wait(10.0, lived_seconds=30.0) == 0.5
    assert child.next_wait(4.0, lived_seconds=29.9) == 8.0


@pytest.mark.parametrize(
    ("code", "how"),
    [
        (0, "exited with code 0"),
        (3, "exited with code 3"),
        (-9, "was killed by SIGKILL"),
        (-99, "was killed by signal 99"),
    ],
)
def test_how_it_ended(code: int, how: str) -> None:
    assert child.how_it_ended(code) == how
