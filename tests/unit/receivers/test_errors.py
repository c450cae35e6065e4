"""One root; codes that stay."""

import pytest

from receivers import errors

KINDS = [
    errors.VerificationError,
    errors.SecretError,
    errors.SigningError,
    errors.PatternError,
    errors.InboxError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_the_root_a_code_and_a_message(kind: type[errors.ReceiverError]) -> None:
    error = kind("some_code", "what is wrong")
    assert isinstance(error, errors.ReceiverError)
    assert (error.code, str(error)) == ("some_code", "what is wrong")


def test_wrong_arguments_are_value_errors_too() -> None:
    assert issubclass(errors.SecretError, ValueError)
    assert issubclass(errors.SigningError, ValueError)
    assert issubclass(errors.PatternError, ValueError)
