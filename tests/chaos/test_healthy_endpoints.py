"""What healthy endpoints notice of adversarial ones (FAULTS 1, row 18); what those do is in test_dead_endpoints."""

import pytest

from tests.bench import isolation
from tests.chaos.lengths import LONG

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not LONG, reason="two minutes of measuring: `make faults`; the bench has the same figure"),
]


def test_their_p99_grows_by_a_fifth_at_most() -> None:
    """Medians of three phases of ten seconds each, with the adversaries and without, in turns."""
    ratio, memory = isolation.run(isolation.Plan(seconds=10.0, rounds=3))
    assert ratio.value <= 1.2, ratio
    assert memory.value <= 1.2, memory
