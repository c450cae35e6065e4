import pytest

from gateway.api import filters, pages
from gateway.model.delivery import AttemptError, Reason, State
from gateway.problems import Problem
from gateway.store import walk

FIRST = pages.PageRequest(50, False, None, b"", b"")


def test_what_is_not_asked_for_narrows_nothing() -> None:
    wanted = filters.events({}, None)
    assert (wanted.type, wanted.subject, wanted.source, wanted.subscriber, wanted.unmatched) == (None,) * 4 + (False,)
    assert filters.span({}, FIRST) == walk.Span()
    assert filters.member({}, "status", State) is None
    assert filters.response_status({}) is None


def test_values_become_what_the_store_narrows_by() -> None:
    query = {"type": "order.*", "subject": "s", "source": "/x", "matched": "none"}
    wanted = filters.events(query, "acme")
    assert (wanted.type, wanted.subject, wanted.source, wanted.subscriber) == ("order.*", "s", "/x", "acme")
    assert wanted.unmatched
    assert filters.member({"status": "dead"}, "status", State) is State.DEAD
    assert filters.member({"reason": "hold_full"}, "reason", Reason) is Reason.HOLD_FULL
    assert filters.member({"error": "connect_refused"}, "error", AttemptError) is AttemptError.CONNECT_REFUSED
    assert filters.response_status({"response_status": "503"}) == 503


def test_since_and_until_are_bounds_in_milliseconds() -> None:
    request = pages.PageRequest(50, True, (5, 6, 7), b"", b"")
    query = {"since": "1970-01-01T00:00:01.5Z", "until": "1970-01-01T01:00:02+01:00"}
    assert filters.span(query, request) == walk.Span((1_500, 0), (2_000, 0), (5, 6, 7), ascending=True)
    assert filters.span({"until": "1960-01-01T00:00:00Z"}, FIRST).until == (0, 0)


@pytest.mark.parametrize("name", ["since", "until"])
@pytest.mark.parametrize("text", ["yesterday", "2026-01-01", "2026-01-01T00:00:00", "1764000000"])
def test_a_time_that_is_none_is_refused(name: str, text: str) -> None:
    with pytest.raises(Problem, match=f"invalid_parameter: {name}"):
        filters.span({name: text}, FIRST)


@pytest.mark.parametrize("text", ["order.*.x", "*.placed", "order*", "", "a b", "x" * 129])
def test_a_pattern_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="invalid_parameter: type"):
        filters.pattern({"type": text})


@pytest.mark.parametrize("text", ["NONE", "none", "DEAD", "open", "5"])
def test_an_unknown_name_is_refused_with_the_known_ones(text: str) -> None:
    for name, kind in (("status", State), ("reason", Reason), ("error", AttemptError)):
        with pytest.raises(Problem, match=f"invalid_parameter: {name} .* is one of"):
            filters.member({name: text}, name, kind)


@pytest.mark.parametrize("text", ["99", "600", "2xx", "20", "2000", "+200", "\u0662\u0660\u0660"])
def test_a_response_status_is_a_number_from_100_to_599(text: str) -> None:
    with pytest.raises(Problem, match="invalid_parameter: response_status"):
        filters.response_status({"response_status": text})


def test_a_parameter_with_one_value_takes_no_other() -> None:
    assert filters.only({"include": "data"}, "include", "data")
    with pytest.raises(Problem, match="invalid_parameter: include"):
        filters.only({"include": "all"}, "include", "data")
