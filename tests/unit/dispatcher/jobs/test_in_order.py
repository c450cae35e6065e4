"""How a delivery stands for the replay that its key waits for."""

import pytest

from dispatcher.jobs.in_order import stands
from gateway.model.delivery import Reason, Record, State

RUN = 7
OURS = {
    State.PENDING: Record(State.PENDING, run=RUN),
    State.SCHEDULED: Record(State.SCHEDULED, failures=1, due_ms=9, run=RUN),
    State.HELD: Record(State.HELD, Reason.PAUSED, failures=1, run=RUN),
    State.DELIVERED: Record(State.DELIVERED, run=RUN),
    State.DEAD: Record(State.DEAD, Reason.EXHAUSTED, failures=1, run=RUN),
    State.SKIPPED: Record(State.SKIPPED, Reason.EXPIRED, run=RUN),
}


def found(record: Record | None, *, ordered: bool = False, placed: bool = False, aside: bool = False) -> str:
    return stands(record, ordered=ordered, placed=placed, run=RUN, aside=aside)


@pytest.mark.parametrize("record", [None, *OURS.values(), Record(State.DEAD)])
@pytest.mark.parametrize("aside", [False, True])
def test_an_order_is_waited_for_whatever_the_record_says(record: Record | None, aside: bool) -> None:
    assert found(record, ordered=True, placed=True, aside=aside) == "wait"


def test_what_there_is_not_is_asked_for_and_an_order_that_was_lost_again() -> None:
    assert found(None) == "ask"
    assert found(None, placed=True) == "ask"


@pytest.mark.parametrize(
    ("state", "blocking", "skipping"),
    [
        (State.PENDING, "wait", "wait"),
        (State.SCHEDULED, "wait", "through"),
        (State.HELD, "ask", "through"),
        (State.DELIVERED, "through", "through"),
        (State.DEAD, "through", "through"),
        (State.SKIPPED, "through", "through"),
    ],
)
@pytest.mark.parametrize("placed", [False, True])
def test_what_this_replay_opened(state: State, blocking: str, skipping: str, placed: bool) -> None:
    assert found(OURS[state], placed=placed) == blocking
    assert found(OURS[state], placed=placed, aside=True) == skipping


def test_an_attempt_that_was_handed_over_may_have_succeeded_so_it_is_made_again() -> None:
    handed = Record(State.HELD, Reason.PAUSED, run=RUN)
    assert found(handed, aside=True) == "ask"


@pytest.mark.parametrize("run", [0, RUN + 1])
@pytest.mark.parametrize("state", list(State))
def test_what_somebody_else_opened_is_asked_for_if_it_has_ended_badly_and_not_waited_for(
    state: State, run: int
) -> None:
    badly = state in {State.DEAD, State.SKIPPED}
    assert found(Record(state, run=run)) == ("ask" if badly else "through")
    assert found(Record(state, run=run), placed=True) == "through", "ours was declined"
