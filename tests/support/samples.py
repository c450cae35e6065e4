"""Figures of a run: percentiles of latencies, and the instant that rides in a payload.

The instant is CLOCK_MONOTONIC in nanoseconds, which all processes of one machine share; it stands as a string of 20
digits, so that every payload of a run has the same length and generator and sink need no JSON.
"""

from array import array

MARK = b'"t_intended":"'
DIGITS = 20


def percentiles(nanoseconds: "array[int]") -> dict[str, float]:
    """Milliseconds: p50, p90, p99, p999 and max; empty when there are no samples."""
    if not nanoseconds:
        return {}
    ordered = sorted(nanoseconds)
    last = len(ordered) - 1
    marks = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0))
    return {name: round(ordered[round(last * share)] / 1e6, 3) for name, share in marks}


def intended_ns(body: bytes) -> int | None:
    """The instant in a webhook's body, or None."""
    at = body.find(MARK)
    if at < 0:
        return None
    start = at + len(MARK)
    return int(body[start : start + DIGITS])
