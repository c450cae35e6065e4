"""The query of a URL."""

import pytest

from gateway.api.query import parse_query
from gateway.problems import Problem

KNOWN = frozenset({"limit", "type"})


def test_reads_utf_8() -> None:
    assert parse_query(b"", KNOWN) == {}
    assert parse_query(b"limit=5&type=a+b%C3%A4", KNOWN) == {"limit": "5", "type": "a bä"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"limti=5", "'limti' is not a parameter here; known are limit, type"),
        (b"api_key=hk_1", "'api_key' is not a parameter here"),
        (b"limit=5&limit=5", "'limit' is given twice"),
        (b"limit", "'limit' is empty"),
        (b"limit=", "'limit' is empty"),
        (b"=5", "'' is not a parameter here"),
        (b"type=%ff", "not percent-encoded UTF-8"),
        (b"type=\xff", "not percent-encoded UTF-8"),
        (b"type=a%00", "control characters"),
        (b"type=a%0Ab", "control characters"),
        (b"&".join([b"limit=1"] * 101), "at most 100"),
    ],
)
def test_refuses_and_names(raw: bytes, said: str) -> None:
    with pytest.raises(Problem) as caught:
        parse_query(raw, KNOWN)
    assert caught.value.code == "invalid_parameter"
    assert said in caught.value.detail


def test_a_route_without_parameters_takes_none() -> None:
    with pytest.raises(Problem, match="known are none"):
        parse_query(b"a=1", frozenset())
