"""Findings about endpoints."""

from typing import Any

import pytest

from gateway.cli.doctor import troubles
from gateway.cli.doctor.facts import Subject
from gateway.cli.doctor.findings import Finding, Level
from gateway.model.endpoint import Health, LastFailure
from gateway.settings import Settings
from gateway.store.breakers import Breaker
from gateway.store.filter_errors import FilterErrors
from tests.unit.gateway.cli.doctor.sound import HOUR, NOW, facts, subject

SINCE = "2023-11-14T20:13:20Z (2 hours)"
FAILS = Health(17, NOW - 2 * HOUR, None, LastFailure(NOW, "http_status", 503))


def judge(*subjects: Subject, **given: Any) -> list[Finding]:
    return list(troubles.judge_endpoints(facts(endpoints=list(subjects), **given)))


def test_endpoints_in_order_are_counted() -> None:
    assert [(one.level, one.text) for one in judge()] == [(Level.OK, "none is registered")]
    assert [one.text for one in judge(subject(), subject())] == ["2 in order"]
    assert judge(subject(FAILS), subject())[0].text == "the other 1 in order"


@pytest.mark.parametrize(
    ("reason", "level", "why"),
    [
        ("gone", Level.RISK, "because its receiver answered that it is gone (410)"),
        ("failing", Level.RISK, "because it only failed, last http_status 503"),
        ("operator", Level.NOTE, "by an operator"),
    ],
)
def test_a_disabled_endpoint_says_since_when_and_why(reason: Any, level: Level, why: str) -> None:
    (finding,) = judge(subject(FAILS, status="disabled", disabled_reason=reason, disabled_ms=NOW - 2 * HOUR))
    assert (finding.level, finding.code) == (level, f"disabled_{reason}")
    assert finding.text == f"ep_1 of acme is disabled since {SINCE} {why}"
    assert "POST /v1/endpoints/ep_1/enable" in finding.way_out


def test_a_failing_endpoint_says_since_when_how_and_when_it_is_disabled() -> None:
    (finding,) = judge(subject(FAILS))
    assert (finding.level, finding.code) == (Level.RISK, "failing")
    assert finding.text == (
        f"ep_1 of acme fails since {SINCE}, 17 times in a row, last http_status 503; "
        "it is disabled at 2023-11-19T20:13:20Z if that goes on"
    )
    assert "GET /v1/deliveries?endpoint=ep_1" in finding.way_out
    assert finding.data["since"] == "2023-11-14T20:13:20.000Z"


def test_a_paused_endpoint_says_since_when_and_how_many_are_held() -> None:
    (finding,) = judge(subject(status="paused", paused_ms=NOW - 2 * HOUR, held=1_200))
    assert (finding.level, finding.code) == (Level.NOTE, "paused")
    assert finding.text == f"ep_1 of acme is paused since {SINCE}, 1,200 deliveries held"
    assert finding.way_out == "POST /v1/endpoints/ep_1/resume lets them go"


@pytest.mark.parametrize(
    ("held", "code"), [(79, "paused"), (80, "hold_nearly_full"), (99, "hold_nearly_full"), (100, "hold_full")]
)
def test_a_pause_that_holds_as_many_as_it_may(held: int, code: str) -> None:
    small = Settings(redis_url="redis://store", hold_limit=100)
    (finding,) = judge(subject(status="paused", paused_ms=NOW, held=held), settings=small)
    assert finding.code == code
    assert finding.level is (Level.NOTE if code == "paused" else Level.RISK)


def test_an_endpoint_that_catches_up_names_its_replay() -> None:
    (finding,) = judge(subject(catch_up="rpl_1", held=1))
    assert (finding.level, finding.code) == (Level.NOTE, "catching_up")
    assert finding.text == "ep_1 of acme catches up with replay rpl_1, 1 delivery held until it is through"


def test_an_open_breaker_says_when_it_is_tried_again() -> None:
    (finding,) = judge(subject(breaker=Breaker(NOW - 2 * HOUR, NOW + 1_000), held=5))
    assert (finding.level, finding.code) == (Level.RISK, "breaker_open")
    assert finding.text == (
        f"ep_1 of acme has an open breaker since {SINCE}, next probe at 2023-11-14T22:13:21Z, 5 deliveries held"
    )
    (finding,) = judge(subject(breaker=Breaker(NOW, NOW, 1, b"somebody")))
    assert "a probe is under way" in finding.text


def test_a_filter_without_an_answer_is_noted_with_its_last_reason() -> None:
    (finding,) = judge(subject(filter_errors=FilterErrors(3, "no such key: amount", NOW)))
    assert (finding.level, finding.code) == (Level.NOTE, "filter_errors")
    assert finding.text == (
        "ep_1 of acme has a filter that had no answer 3 times, which counts as no match, "
        "last at 2023-11-14T22:13:20Z: no such key: amount"
    )
    assert "POST /v1/endpoints/ep_1/filter/test" in finding.way_out


def test_one_endpoint_is_one_finding() -> None:
    (finding,) = judge(subject(FAILS, breaker=Breaker(NOW, NOW), sealed="no key", retry_schedule=(604_800,)))
    assert finding.data["codes"] == ["failing", "breaker_open", "secret_sealed", "schedule_outlives_retention"]
    assert finding.code == "failing"
    assert finding.text.count("ep_1") == 1


def test_the_worst_and_oldest_come_first() -> None:
    paused = subject(id="ep_p", status="paused", paused_ms=NOW - 9 * HOUR)
    newer = subject(Health(1, NOW - HOUR), id="ep_n")
    found = judge(paused, newer, subject(FAILS, id="ep_o"))
    assert [one.data["endpoint"] for one in found] == ["ep_o", "ep_n", "ep_p"]
