import pytest

from gateway.egress import errors


@pytest.mark.parametrize(
    ("error", "code", "named"),
    [
        (errors.UrlRefused("url_port", "port 22"), "url_port", "port 22"),
        (errors.AddressBlocked("10.0.0.1 is private"), "address_blocked", "10.0.0.1"),
        (errors.NameNotResolved("a.example", "no address"), "dns", "a.example does not resolve: no address"),
        (errors.AllowEntryInvalid("10.0.0.1/8", "has host bits set"), "egress_allow", "'10.0.0.1/8'"),
    ],
)
def test_every_error_has_a_stable_code_and_names_the_value(error: errors.EgressError, code: str, named: str) -> None:
    assert error.code == code
    assert named in error.reason
    assert str(error) == error.reason
