"""Timelines: the same from the same seed, never two lasting faults at once, everything ended."""

import pytest

from tests.chaos.faults import ENDS, FAULTS, SHORT, SHORT_SECONDS, drawn, kinds

ENDED_BY = {kind.fault: kind.end for kind in kinds(2) if kind.end}


@pytest.mark.parametrize("seed", range(20))
def test_what_lasts_is_ended_before_the_next_begins(seed: int) -> None:
    steps = sorted(drawn(600.0, seed, 2))
    assert steps == sorted(drawn(600.0, seed, 2))
    lasting = [step for step in steps if step.fault in ENDED_BY or step.fault in ENDS]
    for begin, end in zip(lasting[::2], lasting[1::2], strict=True):
        assert (ENDED_BY[begin.fault], begin.part) == (end.fault, end.part)
    assert steps[-1].at < 600.0


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_started_while_the_store_hangs_or_that_is_frozen(seed: int) -> None:
    frozen = ""
    for step in sorted(drawn(600.0, seed, 2)):
        if step.fault == "freeze":
            frozen = step.part
        elif step.fault == "thaw":
            frozen = ""
        elif frozen:
            assert frozen != "store"
            assert step.part != frozen


def test_every_fault_is_drawn_and_known() -> None:
    seen = {step.fault for seed in range(20) for step in drawn(600.0, seed, 2)}
    assert seen == set(FAULTS)
    assert {step.fault for step in SHORT} <= set(FAULTS)
    assert max(step.at for step in SHORT) < SHORT_SECONDS
