"""The receiving side's two clocks; everything else takes them as injected callables.

`receivers` is a leaf and may not import the gateway's clock.
"""

import time


def wall_seconds() -> float:
    """Seconds since the epoch, for comparing with the `webhook-timestamp` of a sender."""
    return time.time_ns() / 1e9


def monotonic_seconds() -> float:
    """Seconds that only grow, for leases and expiry inside one process."""
    return time.monotonic()
