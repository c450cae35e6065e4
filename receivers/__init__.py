"""Receive webhooks: verify on the raw bytes, deduplicate, hand events to functions.

    from receivers import Event, Receiver

    receiver = Receiver("whsec_…")

    @receiver.on("order.*")
    async def order(event: Event) -> None: ...

    app = receiver          # any ASGI server

or, inside another framework, `await receiver.handle(raw_body, headers)`, or only `verify(raw_body, headers, secrets)`.
The sending side's `sign` and `Signer`, and the one implementation of event-type patterns, live here too, because both
sides must agree on them.

Invariants: only VerificationError comes out of `verify`; nothing is parsed before it is verified; a 2xx means committed
in the inbox, or nothing to do. Importing this package needs the standard library and `cryptography`; the Redis inbox is
imported by name (`receivers.inbox.redis`). It refuses to send anything and to know anything of the gateway.
"""

from receivers.errors import (
    InboxError,
    PatternError,
    ReceiverError,
    SecretError,
    SigningError,
    VerificationError,
)
from receivers.event import Event, Replay
from receivers.inbox.memory import MemoryInbox
from receivers.receiver import Receiver
from receivers.result import Outcome, Result
from receivers.secrets import generate_private_key, generate_secret, public_key_of
from receivers.signing import Signer, sign
from receivers.verification import Verified, Verifier, verify

__all__ = [
    "Event",
    "InboxError",
    "MemoryInbox",
    "Outcome",
    "PatternError",
    "Receiver",
    "ReceiverError",
    "Replay",
    "Result",
    "SecretError",
    "Signer",
    "SigningError",
    "VerificationError",
    "Verified",
    "Verifier",
    "generate_private_key",
    "generate_secret",
    "public_key_of",
    "sign",
    "verify",
]
