"""The machine's own resolver against a DNS server that is slow for some names."""

import pytest

from tests.support import slow_dns


@pytest.mark.network
@pytest.mark.skipif(not slow_dns.possible(), reason="may not have a network namespace of its own (unshare -n)")
def test_names_that_hang_do_not_stall_healthy_ones() -> None:
    figures = slow_dns.measure()
    assert figures["waiting"] == slow_dns.SLOW_NAMES
    assert figures["worst_ms"] < 500
