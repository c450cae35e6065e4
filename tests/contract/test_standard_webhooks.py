"""Standard Webhooks: the published values, and the published Python implementation as a second opinion."""

import datetime as dt
import time

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import WebhookVerificationError

from receivers import VerificationError, generate_secret, public_key_of, secrets, sign, verify
from receivers.verification import Verifier
from tests.support.webhooks import BODY, SECRET, SIGNATURE, TIMESTAMP, WEBHOOK_ID, signed_headers

PRIVATE_KEY = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
PUBLIC_KEY = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
ASYMMETRIC_SIGNATURE = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="

SECRETS = st.sampled_from([SECRET, *(generate_secret() for _ in range(3)), "whsec_" + "/+Az" * 21])
IDS = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=256)
TEXT_BODIES = st.text(max_size=300)


def now() -> int:
    return time.time_ns() // 1_000_000_000


def test_the_published_symmetric_example() -> None:
    assert sign(SECRET, WEBHOOK_ID, TIMESTAMP, BODY) == SIGNATURE
    headers = {**signed_headers(BODY), "webhook-signature": SIGNATURE}
    assert verify(BODY, headers, SECRET, now=lambda: TIMESTAMP).id == WEBHOOK_ID


def test_the_published_asymmetric_example() -> None:
    assert sign(PRIVATE_KEY, WEBHOOK_ID, TIMESTAMP, BODY) == ASYMMETRIC_SIGNATURE
    assert public_key_of(PRIVATE_KEY) == PUBLIC_KEY
    headers = {**signed_headers(BODY), "webhook-signature": ASYMMETRIC_SIGNATURE}
    assert verify(BODY, headers, PUBLIC_KEY, now=lambda: TIMESTAMP).version == "v1a"


def test_the_published_example_of_several_signatures() -> None:
    stranger = "Ceo5qEr07ixe2NLpvHk3FH9bwy/WavXrAFQ/9tdO6mc="
    signatures = f"v1,{stranger} v2,{stranger} {SIGNATURE} {ASYMMETRIC_SIGNATURE}"
    headers = {**signed_headers(BODY), "webhook-signature": signatures}
    verifier = Verifier([SECRET, PUBLIC_KEY], now=lambda: TIMESTAMP)
    assert verifier.verify(BODY, headers).version == "v1"
    assert Verifier(PUBLIC_KEY, now=lambda: TIMESTAMP).verify(BODY, headers).version == "v1a"


@given(secret=SECRETS, webhook_id=IDS, timestamp=st.integers(1, 253_402_300_799), body=TEXT_BODIES)
def test_both_sign_alike(secret: str, webhook_id: str, timestamp: int, body: str) -> None:
    instant = dt.datetime.fromtimestamp(timestamp, tz=dt.UTC)
    theirs = standardwebhooks.Webhook(secret).sign(webhook_id, instant, body)
    assert sign(secret, webhook_id, timestamp, body.encode()) == theirs


@given(secret=SECRETS, webhook_id=IDS, body=TEXT_BODIES)
def test_they_verify_what_we_sign(secret: str, webhook_id: str, body: str) -> None:
    headers = signed_headers(body.encode(), secret=secret, webhook_id=webhook_id, timestamp=now())
    standardwebhooks.Webhook(secret).verify(body, headers, json_parse=False)


@given(secret=SECRETS, webhook_id=IDS, body=TEXT_BODIES)
def test_we_verify_what_they_sign(secret: str, webhook_id: str, body: str) -> None:
    instant = dt.datetime.now(dt.UTC)
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(instant.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign(webhook_id, instant, body),
    }
    assert verify(body.encode(), headers, secret).id == webhook_id


@given(body=TEXT_BODIES, other=TEXT_BODIES)
def test_both_refuse_another_body_and_another_secret(body: str, other: str) -> None:
    headers = signed_headers(body.encode(), timestamp=now())
    if other != body:
        with pytest.raises(VerificationError):
            verify(other.encode(), headers, SECRET)
        with pytest.raises(WebhookVerificationError):
            standardwebhooks.Webhook(SECRET).verify(other, headers, json_parse=False)
    with pytest.raises(VerificationError):
        verify(body.encode(), headers, secrets.generate_secret())


@pytest.mark.parametrize("signature", ["v1", "v1,abc", "v1,a,b", "v1,é"])
@pytest.mark.parametrize("body", [BODY, b"\xff", b"not json"])
def test_where_the_reference_raises_anything_we_raise_one_thing(signature: str, body: bytes) -> None:
    headers = {**signed_headers(body, timestamp=now()), "webhook-signature": signature}
    with pytest.raises(ValueError):  # noqa: PT011 - binascii.Error and UnicodeDecodeError among them
        standardwebhooks.Webhook(SECRET).verify(body, headers)
    with pytest.raises(VerificationError):
        verify(body, headers, SECRET)
