"""Signatures: the published values, and refusal to sign what nobody would accept."""

import pytest

from receivers import secrets
from receivers.errors import SecretError, SigningError
from receivers.signing import Signer, sign, signed_prefix
from tests.support.webhooks import BODY, SECRET, SIGNATURE, TIMESTAMP, WEBHOOK_ID


def test_prefix() -> None:
    assert signed_prefix("evt_1", 1614265330) == b"evt_1.1614265330."


def test_signer_equals_sign_message_after_message() -> None:
    signer = Signer(SECRET)
    prefix = signed_prefix(WEBHOOK_ID, TIMESTAMP)
    assert [signer.signature(prefix, BODY) for _ in range(3)] == [SIGNATURE.encode()] * 3
    assert signer.signature(prefix, b"") == sign(SECRET, WEBHOOK_ID, TIMESTAMP, b"").encode()
    assert sign(SECRET, WEBHOOK_ID, TIMESTAMP, BODY) == SIGNATURE


def test_the_version_follows_the_secret() -> None:
    assert Signer(SECRET).version == "v1"
    private = secrets.generate_private_key()
    assert Signer(private).version == "v1a"
    assert sign(private, "evt_1", 1, b"x").startswith("v1a,")


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(SecretError, match="cannot sign"):
        Signer(secrets.public_key_of(secrets.generate_private_key()))


@pytest.mark.parametrize("webhook_id", ["", "a" * 257, "a b", "é", "a\n", None])
def test_ids_that_no_receiver_accepts(webhook_id: str) -> None:
    with pytest.raises(SigningError) as raised:
        sign(SECRET, webhook_id, 1, b"")
    assert raised.value.code == "id_invalid"


@pytest.mark.parametrize("timestamp", [-1, 1_000_000_000_000, 1.5, "1", None])
def test_timestamps_that_no_receiver_accepts(timestamp: int) -> None:
    with pytest.raises(SigningError) as raised:
        sign(SECRET, "evt_1", timestamp, b"")
    assert raised.value.code == "timestamp_invalid"


@pytest.mark.parametrize("body", ["text", {"a": 1}, None])
def test_a_body_is_bytes(body: bytes) -> None:
    with pytest.raises(SigningError) as raised:
        sign(SECRET, "evt_1", 1, body)
    assert raised.value.code == "body_invalid"


def test_printing_a_signer_does_not_show_its_secret() -> None:
    assert repr(Signer(SECRET)) == "Signer(v1)"
