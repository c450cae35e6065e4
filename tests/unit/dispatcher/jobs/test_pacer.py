from hypothesis import given, settings
from hypothesis import strategies as st

from dispatcher.jobs.pacer import CATCH_UP_MS, Pacer

BEGIN = 1_700_000_000_000


def test_without_a_rate_everything_may_go() -> None:
    pacer = Pacer(None, 0)
    assert pacer.allowed(BEGIN, 256) == 256
    pacer.spent(256, BEGIN)
    assert pacer.allowed(BEGIN, 256) == 256
    assert (pacer.next_ms, pacer.limit(128)) == (0, 128)


def test_one_after_the_other() -> None:
    pacer = Pacer(4, 0)
    assert pacer.allowed(BEGIN, 256) == 1
    pacer.spent(1, BEGIN)
    assert pacer.next_ms == BEGIN + 250
    assert pacer.allowed(BEGIN + 249, 256) == 0
    assert pacer.allowed(BEGIN + 250, 256) == 1


def test_a_high_rate_goes_in_tenths_of_a_second() -> None:
    pacer = Pacer(1_000, 0)
    assert pacer.allowed(BEGIN, 256) == 100
    assert pacer.allowed(BEGIN, 30) == 30
    pacer.spent(100, BEGIN)
    assert pacer.next_ms == BEGIN + 100


def test_a_little_lateness_is_made_up_for_and_a_pause_is_not() -> None:
    pacer = Pacer(10, BEGIN)
    pacer.spent(1, BEGIN + CATCH_UP_MS)
    assert pacer.next_ms == BEGIN + 100
    pacer.spent(1, BEGIN + 60_000)
    assert pacer.next_ms == BEGIN + 60_100


def test_nothing_ordered_costs_nothing() -> None:
    pacer = Pacer(1, BEGIN)
    pacer.spent(0, BEGIN + 5)
    assert pacer.next_ms == BEGIN


def test_little_is_under_way() -> None:
    assert [Pacer(rate, 0).limit(128) for rate in (1, 10, 1_000)] == [4, 20, 128]


@settings(deadline=None)
@given(st.integers(1, 2_000), st.lists(st.integers(0, 400), min_size=1, max_size=60))
def test_a_rate_is_never_exceeded_whenever_it_is_asked(rate: int, waits: list[int]) -> None:
    pacer, now, went = Pacer(rate, 0), BEGIN, 0
    burst = max(1, rate // 10)
    for wait in waits:
        now += wait
        count = pacer.allowed(now, 256)
        pacer.spent(count, now)
        went += count
        assert went <= rate * (now - BEGIN) / 1_000 + burst


@settings(deadline=None)
@given(st.integers(1, 50), st.lists(st.integers(1, 20), min_size=50, max_size=200))
def test_asked_often_it_is_reached(rate: int, waits: list[int]) -> None:
    pacer, now, went = Pacer(rate, 0), BEGIN, 0
    for wait in waits:
        now += wait
        count = pacer.allowed(now, 256)
        pacer.spent(count, now)
        went += count
    assert went >= rate * (now - BEGIN) / 1_000 * 0.95 - 1
