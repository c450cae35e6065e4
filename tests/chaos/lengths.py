"""How long a fault lasts: shortened in `make test`, in full in `make faults`, which sets CHAOS_LONG=1."""

import os

LONG = os.environ.get("CHAOS_LONG") == "1"


def length(short: int, long: int) -> int:
    """`long` in the long form, else `short`."""
    return long if LONG else short
