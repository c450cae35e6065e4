"""The signature header: one for each live secret, decided by the time of signing."""

import re

import msgspec
import pytest

import receivers
from dispatcher.signatures import signing
from gateway.model.endpoint import Endpoint
from receivers.errors import SecretError, VerificationError
from receivers.signing import MAXIMUM_TIMESTAMP, signed_prefix
from tests.support.sealed import secret, texts, with_secrets

BODY = b'{"a":1}'
OLD, NEW = secret("sec_1", expires_ms=5_000), secret("sec_2")
OLD_KEY, NEW_KEY = secret("sec_3", "v1a", expires_ms=5_000), secret("sec_4", "v1a")
ENDPOINT = with_secrets(Endpoint("e", 1, "acme", "external", "https://a.example/"), NEW, OLD, NEW_KEY, OLD_KEY)


def header(endpoint: Endpoint, now_ms: int) -> str:
    return signing(endpoint, texts(endpoint))(signed_prefix("evt_1", 4), BODY, now_ms).decode("ascii")


def verified(value: str, *held: str) -> int:
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "4", "webhook-signature": value}
    return receivers.verify(BODY, headers, held, now=lambda: 4.0).secret_index


def test_one_secret_makes_one_signature() -> None:
    endpoint = with_secrets(ENDPOINT, NEW)
    assert header(endpoint, 0) == receivers.sign(texts(endpoint)["sec_2"], "evt_1", 4, BODY)


def test_the_new_secret_signs_first_and_the_old_one_until_it_expires() -> None:
    new, old = (texts(ENDPOINT)[name] for name in ("sec_2", "sec_1"))
    expected = [receivers.sign(one, "evt_1", 4, BODY) for one in (new, old)]
    assert header(ENDPOINT, 4_999).split(" ") == expected
    assert header(ENDPOINT, 5_000).split(" ") == expected[:1]
    assert [verified(header(ENDPOINT, 4_999), *held) for held in ((old,), (new,), (old, new))] == [0, 0, 0]
    with pytest.raises(VerificationError):
        verified(header(ENDPOINT, 5_000), old)


def test_both_versions_sign_when_the_endpoint_says_so() -> None:
    both = msgspec.structs.replace(ENDPOINT, signatures=("v1", "v1a"))
    assert re.sub(r",[^ ]+", "", header(both, 0)) == "v1 v1 v1a v1a"
    assert re.sub(r",[^ ]+", "", header(both, 5_000)) == "v1 v1a"
    for one in (NEW_KEY, OLD_KEY):
        assert verified(header(both, 0), one.public_key) == 0
    only = msgspec.structs.replace(ENDPOINT, signatures=("v1a",))
    assert re.sub(r",[^ ]+", "", header(only, 5_000)) == "v1a"


def test_as_many_signatures_as_can_be_are_taken_by_receivers() -> None:
    made = [secret(f"sec_{number}", "v1" if number < 3 else "v1a") for number in range(6)]
    full = msgspec.structs.replace(with_secrets(ENDPOINT, *made), signatures=("v1", "v1a"))
    value = signing(full, texts(full))(signed_prefix("e" * 256, MAXIMUM_TIMESTAMP), BODY, 0).decode()
    assert len(value.split(" ")) == 6
    headers = {"webhook-id": "e" * 256, "webhook-timestamp": str(MAXIMUM_TIMESTAMP), "webhook-signature": value}
    last = made[-1].public_key
    assert receivers.verify(BODY, headers, last, now=lambda: float(MAXIMUM_TIMESTAMP)).secret_index == 0


def test_an_endpoint_without_a_secret_for_its_version_is_refused() -> None:
    with pytest.raises(SecretError, match="v1a"):
        signing(msgspec.structs.replace(with_secrets(ENDPOINT, NEW), signatures=("v1", "v1a")), texts(ENDPOINT))
    with pytest.raises(SecretError):
        signing(with_secrets(ENDPOINT, NEW), {"sec_2": "no secret"})
