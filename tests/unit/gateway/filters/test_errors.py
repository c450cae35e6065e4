"""What is said of a filter that is refused."""

from gateway.filters.errors import FilterError


def test_the_text_says_what_and_where() -> None:
    error = FilterError("filter_syntax", "')' closes nothing", 4)
    assert str(error) == "')' closes nothing at character 5"
    assert (error.code, error.reason, error.position) == ("filter_syntax", "')' closes nothing", 4)
    assert str(FilterError("filter_too_long", "too long")) == "too long"
