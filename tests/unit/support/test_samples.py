"""The arithmetic of latencies."""

from array import array

from tests.support.samples import intended_ns, percentiles


def test_percentiles_are_milliseconds_of_real_samples() -> None:
    samples = array("q", [n * 1_000_000 for n in range(1, 101)])
    assert percentiles(samples) == {"p50": 51.0, "p90": 90.0, "p99": 99.0, "p999": 100.0, "max": 100.0}
    assert percentiles(array("q")) == {}


def test_the_instant_is_found_in_a_body() -> None:
    body = b'{"id":"e","data":{"t_intended":"%020d","pad":""}}' % 1_234_567_890_123
    assert intended_ns(body) == 1_234_567_890_123
    assert intended_ns(b"{}") is None
