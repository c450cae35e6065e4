from typing import get_args

from dispatcher.sender.result import Answered, AttemptError


def test_values_of_a_header_are_found_whatever_its_case() -> None:
    answered = Answered(503, [(b"Retry-After", b"5"), (b"X", b"y"), (b"retry-AFTER", b"7")], b"", False, "", 1.0)
    assert answered.values(b"retry-after") == [b"5", b"7"]
    assert answered.values(b"webhook-delivery") == []


def test_the_set_of_errors_is_closed() -> None:
    assert set(get_args(AttemptError)) == {
        "dns",
        "address_blocked",
        "connect_refused",
        "connect_timeout",
        "reset",
        "tls",
        "deadline",
        "head_too_large",
        "protocol",
    }
