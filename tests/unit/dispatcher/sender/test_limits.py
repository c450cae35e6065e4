from dispatcher.sender.limits import Limits


def test_defaults_are_those_of_the_delivery_contract() -> None:
    limits = Limits()
    assert limits.head_bytes == 64 * 1024
    assert limits.success_body_bytes == 256
    assert limits.failure_body_bytes == 4 * 1024
    assert 0.05 <= limits.tick_seconds <= 0.1
