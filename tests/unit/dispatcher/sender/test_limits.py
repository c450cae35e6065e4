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
    ("soft", "hard", "raised", "sockets"),
    [
        (64, 64, None, 64),
        (256, 256, None, 128),
        (1_024, 1_024, None, 896),
        (1_024, 4_096, 4_096, 3_968),
        (1_024, 1_048_576, 8_320, 8_192),
        (1_024, resource.RLIM_INFINITY, 8_320, 8_192),
        (1_048_576, 1_048_576, None, 8_192),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 8_192),
    ],
)
def test_sockets_follow_the_limit_of_open_files(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int | None, sockets: int
) -> None:
    limits = [(soft, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _which: limits[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _which, pair: limits.append(pair))
    assert affordable_sockets() == sockets
    assert limits[1:] == ([] if raised is None else [(raised, hard)])
    assert Limits().sockets == sockets


def test_a_limit_that_may_not_be_raised_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_which: int, _pair: tuple[int, int]) -> None:
        raise PermissionError

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (1_024, 1_048_576))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert affordable_sockets() == 896
