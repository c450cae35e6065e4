"""Signed requests for receivers, and the published example of Standard Webhooks."""

import json
from typing import Any

from receivers import sign

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
WEBHOOK_ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def signed_headers(
    body: bytes,
    *,
    secret: str = SECRET,
    webhook_id: str = WEBHOOK_ID,
    timestamp: int = TIMESTAMP,
    **more: str,
) -> dict[str, str]:
    """The headers of one attempt; `more` are further ones, with underscores for dashes."""
    return {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, webhook_id, timestamp, body),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def event_body(event_type: str = "order.placed", **members: Any) -> bytes:
    """The body of an event as Hookline sends it."""
    return json.dumps({"type": event_type, "data": {"amount": 5}, **members}).encode()
