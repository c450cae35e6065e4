"""When an open breaker is tried again: pure."""

import pytest

from dispatcher.breakers import opened, reopened, wait_ms
from gateway.store.breakers import NOBODY, Breaker


class Fixed:
    """Draws the same share of a range each time."""

    def __init__(self, share: float) -> None:
        self.share = share

    def uniform(self, low: float, high: float) -> float:
        return low + (high - low) * self.share


MIDDLE = Fixed(0.5)


@pytest.mark.parametrize(
    ("trips", "wanted"), [(0, 1_000), (1, 2_000), (2, 4_000), (4, 16_000), (5, 30_000), (6, 30_000), (2**32, 30_000)]
)
def test_each_failed_probe_doubles_the_wait_up_to_half_a_minute(trips: int, wanted: int) -> None:
    assert wait_ms(trips, MIDDLE) == wanted
    assert wait_ms(trips, Fixed(0.0)) == wanted * 0.8
    assert wait_ms(trips, Fixed(1.0)) == wanted * 1.2


def test_it_opens_now_and_is_tried_a_second_later() -> None:
    assert opened(5_000, MIDDLE) == Breaker(5_000, 6_000, 0, NOBODY)


def test_a_failed_probe_gives_it_back_to_everybody() -> None:
    probed = Breaker(5_000, 23_000, 1, b"somebody")
    after = reopened(probed, 7_000, MIDDLE)
    assert after == Breaker(5_000, 11_000, 2, NOBODY)
    assert not after.half_open
