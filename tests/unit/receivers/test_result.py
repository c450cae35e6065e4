"""Outcomes, their status and their words."""

import json

import pytest

from receivers import event, headers
from receivers.result import Outcome, Result, refused
from receivers.verification import Verified

EVENT = event.read(b'{"type": "ping"}', headers.read({}), Verified("evt_1", 1, 1, "v1", 0))


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (Outcome.HANDLED, 200),
        (Outcome.DUPLICATE, 200),
        (Outcome.IGNORED, 200),
        (Outcome.IN_PROGRESS, 409),
        (Outcome.CLAIM_LOST, 409),
        (Outcome.FAILED, 500),
        (Outcome.UNAVAILABLE, 503),
    ],
)
def test_status(outcome: Outcome, status: int) -> None:
    result = Result(outcome, EVENT)
    assert result.status == status
    assert result.accepted is (status == 200)
    assert json.loads(result.body()) == {"result": outcome.value, "id": "evt_1"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("signature_mismatch", 401),
        ("header_missing", 401),
        ("payload_invalid", 400),
        ("method_not_allowed", 405),
        ("body_too_large", 413),
    ],
)
def test_a_refusal_says_why(code: str, status: int) -> None:
    result = refused(code, "the reason")
    assert (result.status, result.accepted) == (status, False)
    assert json.loads(result.body()) == {"result": "refused", "code": code, "detail": "the reason"}


def test_every_outcome_has_a_status() -> None:
    assert all(Result(outcome).status for outcome in Outcome)
