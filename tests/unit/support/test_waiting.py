"""Waiting ends with the condition, or says what did not happen."""

import pytest

from tests.support.waiting import NeverHappened, until, wait_until


def test_it_returns_as_soon_as_the_condition_is_true() -> None:
    answers = iter([False, False, True])
    wait_until(lambda: next(answers), 5)
    assert list(answers) == []


def test_it_says_what_did_not_happen() -> None:
    with pytest.raises(NeverHappened, match="the moon: not within 0"):
        wait_until(lambda: False, 0, "the moon")


async def test_conditions_may_be_coroutines() -> None:
    answers = iter([False, True])

    async def condition() -> bool:
        return next(answers)

    await until(condition, 5)
    with pytest.raises(NeverHappened, match="it: not within"):
        await until(lambda: False, 0)
