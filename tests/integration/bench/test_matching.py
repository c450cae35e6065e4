"""The rows of starting with a large registry, with a small one: they measure what they say."""

from tests.bench import matching


def test_loading_finds_every_endpoint() -> None:
    seconds, still = matching.loading(endpoints=3_000)
    assert seconds.value > 0
    assert still.value > 0
