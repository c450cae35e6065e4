"""Profiles against a second writing of what providers document, and against their published vectors."""

import base64
import hashlib
import hmac

import msgspec
import pytest

from dispatcher.profiles import Headers, profile_of
from gateway.model.endpoint import Endpoint
from gateway.model.profile import ProfileTimestamp, SignatureProfile
from gateway.model.secret import EndpointSecret
from receivers.errors import SecretError
from tests.support.sealed import secret, texts, with_secrets

BODY = b'{"a":1}'
OLD, NEW = secret("sec_1", expires_ms=5_000), secret("sec_2")
PLAIN = Endpoint("e", 1, "acme", "external", "https://a.example/")


def sent(profile: SignatureProfile, *secrets: EndpointSecret, body: bytes = BODY, seconds: int = 4) -> Headers:
    endpoint = msgspec.structs.replace(with_secrets(PLAIN, *secrets), signature_profile=profile)
    made = profile_of(endpoint, texts(endpoint))
    assert made is not None
    return made(body, seconds, seconds * 1_000)


def own(text: str) -> EndpointSecret:
    return secret("sec_9", "profile", text)


def test_without_a_profile_there_is_nothing_to_send() -> None:
    assert profile_of(with_secrets(PLAIN, NEW), {}) is None


def stripe_signature(key: bytes, seconds: int) -> str:
    return hmac.new(key, b"%d." % seconds + BODY, hashlib.sha256).hexdigest()


def test_stripe_has_one_signature_for_each_live_secret() -> None:
    new, old = (stripe_signature(one.sealed, 4) for one in (NEW, OLD))
    assert sent(SignatureProfile("stripe"), NEW, OLD) == (("stripe-signature", f"t=4,v1={new},v1={old}"),)
    later = stripe_signature(NEW.sealed, 5)
    assert sent(SignatureProfile("stripe"), NEW, OLD, seconds=5) == (("stripe-signature", f"t=5,v1={later}"),)


def test_github_is_what_github_publishes() -> None:
    """Source: docs.github.com, "Validating webhook deliveries", the example with which to test."""
    expected = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    made = sent(SignatureProfile("github"), NEW, own("It's a Secret to Everybody"), body=b"Hello, World!")
    assert made == (("x-hub-signature-256", expected),)


def test_the_newest_secret_signs_where_there_is_room_for_one() -> None:
    expected = "sha256=" + hmac.new(NEW.sealed, BODY, hashlib.sha256).hexdigest()
    assert sent(SignatureProfile("github"), NEW, OLD) == (("x-hub-signature-256", expected),)


def test_slack_can_be_described() -> None:
    """Source: Slack's documentation, "Verifying requests from Slack", its example request and secret."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
        b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
        b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554"
        b"%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    slack = SignatureProfile(
        "hmac", header="X-Slack-Signature", prefix="v0=",
        timestamp=ProfileTimestamp("X-Slack-Request-Timestamp", separator=":", prefix="v0:"),
    )  # fmt: skip
    assert sent(slack, NEW, own("8f742231b10e8888abcd99yyyzzz85a5"), body=body, seconds=1531420618) == (
        ("x-slack-signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"),
        ("x-slack-request-timestamp", "1531420618"),
    )


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("key_encoding", ["utf8", "base64", "hex"])
def test_an_hmac_of_ones_own(algorithm: str, encoding: str, key_encoding: str) -> None:
    text = {"utf8": "grün", "base64": base64.b64encode(b"key").decode(), "hex": b"key".hex()}[key_encoding]
    key = "grün".encode() if key_encoding == "utf8" else b"key"
    fields = {"kind": "hmac", "header": "X-Sig", "algorithm": algorithm, "encoding": encoding, "prefix": "a="}
    profile = msgspec.convert({**fields, "key_encoding": key_encoding}, SignatureProfile)
    digest = hmac.new(key, BODY, algorithm).digest()
    expected = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert sent(profile, NEW, own(text)) == (("x-sig", f"a={expected}"),)


def test_a_profile_without_a_secret_is_refused() -> None:
    with pytest.raises(SecretError):
        sent(SignatureProfile("stripe"))
    with pytest.raises(SecretError):
        sent(SignatureProfile("hmac", header="x", key_encoding="hex"), NEW)
