"""The rows of matching at scale, with a small registry: they measure what they say."""

from tests.bench import matching


def test_every_row_has_a_value() -> None:
    figures = matching.matching(endpoints=2_000)
    assert [figure.unit for figure in figures] == [
        "us beyond 1 us a match", "us beyond 1 us a match", "us", "us", "us beyond 1 us a match",
    ]  # fmt: skip
    assert figures[-1].facts["matches_per_event"] == matching.FANNED_OUT
