import resource

import pytest

from dispatcher.sender.limits import Limits, affordable_sockets


def test_defaults_are_those_of_the_delivery_contract() -> None:
    limits = Limits()
    assert limits.head_bytes == 64 * 1024
    assert limits.success_body_bytes == 256
    assert limits.failure_body_bytes == 4 * 1024
    assert 0.05 <= limits.tick_seconds <= 0.1


@pytest.mark.parametrize(
    ("soft", "sockets"),
    [(64, 64), (256, 128), (1_024, 896), (1_048_576, 4_096), (resource.RLIM_INFINITY, 4_096)],
)
def test_sockets_follow_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, soft: int, sockets: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (soft, resource.RLIM_INFINITY))
    assert affordable_sockets() == sockets
    assert Limits().sockets == sockets
