"""Several signatures in one header, judged by the published Python implementation of Standard Webhooks."""

import time

import msgspec
import pytest
import standardwebhooks
from standardwebhooks.webhooks import WebhookVerificationError

from dispatcher.signatures import signing
from gateway.model.endpoint import Endpoint
from receivers import generate_secret
from tests.support.sealed import secret, texts, with_secrets

BODY = b'{"type":"order.placed","data":{"n":1}}'
PLAIN = Endpoint("e", 1, "acme", "external", "https://a.example/", signatures=("v1", "v1a"))


def test_each_holder_of_a_live_secret_accepts_and_others_do_not() -> None:
    now = time.time_ns() // 1_000_000
    ended, old, new, key = (
        secret("sec_1", expires_ms=now), secret("sec_2", expires_ms=now + 60_000), secret("sec_3"), secret("k", "v1a"),
    )  # fmt: skip
    endpoint = with_secrets(PLAIN, new, old, ended, key)
    seconds = now // 1_000
    header = signing(endpoint, texts(endpoint))(b"evt_1.%d." % seconds, BODY, now).decode()
    headers = {"webhook-id": "evt_1", "webhook-timestamp": str(seconds), "webhook-signature": header}
    for held in (old, new):
        assert standardwebhooks.Webhook(held.sealed.decode()).verify(BODY, headers) == msgspec.json.decode(BODY)
    for stranger in (ended.sealed.decode(), generate_secret()):
        with pytest.raises(WebhookVerificationError):
            standardwebhooks.Webhook(stranger).verify(BODY, headers)
