"""Signature profiles: their headers and keys."""

import pytest

from gateway.model import profile as model
from gateway.model.profile import ProfileTimestamp, SignatureProfile
from receivers.errors import SecretError
from receivers.secrets import generate_secret, parse


def test_the_headers_that_a_profile_sends() -> None:
    assert model.header_names(SignatureProfile("stripe")) == ("stripe-signature",)
    assert model.header_names(SignatureProfile("github")) == ("x-hub-signature-256",)
    timed = SignatureProfile("hmac", header="X-Sig", timestamp=ProfileTimestamp("X-Time"))
    assert model.header_names(timed) == ("x-sig", "x-time")
    assert model.as_hmac(timed) is timed


def test_a_key_is_the_secrets_text_unless_it_is_said_to_be_encoded() -> None:
    secret = generate_secret()
    assert model.key_of(secret, "utf8") == secret.encode()
    assert model.key_of("grün", "utf8") == "grün".encode()
    assert model.key_of(secret, "base64") == parse(secret).key  # type: ignore[union-attr]  # a symmetric one
    assert model.key_of("00Ff", "hex") == b"\x00\xff"


@pytest.mark.parametrize(("text", "encoding"), [("no hex", "hex"), ("a-b_", "base64"), ("whsec_", "base64")])
def test_a_key_that_is_not_encoded_so_is_refused_without_its_text(text: str, encoding: model.KeyEncoding) -> None:
    with pytest.raises(SecretError) as caught:
        model.key_of(text, encoding)
    assert text not in str(caught.value)
