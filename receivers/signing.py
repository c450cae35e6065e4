"""Making signatures: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over `id.timestamp.body`.

`Signer` is the sender's fast path: the keyed state is built once per secret and copied per message, the body is hashed
from where it lies and never joined to the prefix (HMAC). The bytes returned are one element of the `webhook-signature`
header; several are joined by a space while secrets are rotated.

Source: Standard Webhooks 1.0, "Signature scheme".
"""

import hmac
import re
from binascii import b2a_base64
from collections.abc import Callable

from receivers.errors import SecretError, SigningError
from receivers.secrets import PrivateKey, SymmetricSecret, parse

WEBHOOK_ID = re.compile(r"[\x21-\x7e]{1,256}")
MAXIMUM_TIMESTAMP = 999_999_999_999

_Sign = Callable[[bytes, bytes], bytes]


def signed_prefix(webhook_id: str, timestamp: int) -> bytes:
    """`id.timestamp.`, what stands before the body in the signed content; both must be valid already."""
    return f"{webhook_id}.{timestamp}.".encode("ascii")


class Signer:
    """One secret, ready to sign many messages. Raises SecretError unless it is `whsec_` or `whsk_`."""

    __slots__ = ("signature", "version")

    signature: _Sign
    """`signature(prefix, body)`: b"v1,<base64>" or b"v1a,<base64>"; prefix as from `signed_prefix`."""
    version: str

    def __init__(self, secret: str) -> None:
        parsed = parse(secret)
        if isinstance(parsed, SymmetricSecret):
            self.version, self.signature = "v1", _hmac_signer(parsed.key)
        elif isinstance(parsed, PrivateKey):
            self.version, self.signature = "v1a", _ed25519_signer(parsed.seed)
        else:
            raise SecretError("secret_prefix", "whpk_ is a public key and cannot sign; the sender holds whsk_")

    def __repr__(self) -> str:
        return f"Signer({self.version})"


def sign(secret: str, webhook_id: str, timestamp: int, body: bytes) -> str:
    """One signature, `v1,…` for a `whsec_` secret and `v1a,…` for a `whsk_` key.

    `timestamp` is in whole seconds since the epoch. Raises SecretError, or SigningError (`id_invalid`
    `timestamp_invalid` `body_invalid`) for what no receiver would accept.
    """
    signer = Signer(secret)
    if not isinstance(webhook_id, str) or not WEBHOOK_ID.fullmatch(webhook_id):
        raise SigningError("id_invalid", "a webhook id has 1-256 visible ASCII characters")
    if not isinstance(timestamp, int) or not 0 <= timestamp <= MAXIMUM_TIMESTAMP:
        raise SigningError("timestamp_invalid", "a timestamp is in whole seconds since the epoch, 0-999999999999")
    if not isinstance(body, bytes | bytearray | memoryview):
        raise SigningError("body_invalid", f"the body is the bytes to be sent, not {type(body).__name__}")
    return signer.signature(signed_prefix(webhook_id, int(timestamp)), bytes(body)).decode("ascii")


def _hmac_signer(key: bytes) -> _Sign:
    copy_state = hmac.new(key, digestmod="sha256").copy

    def signature(prefix: bytes, body: bytes) -> bytes:
        state = copy_state()
        state.update(prefix)
        state.update(body)
        return b"v1," + b2a_base64(state.digest(), newline=False)

    return signature


def _ed25519_signer(seed: bytes) -> _Sign:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    sign_bytes = Ed25519PrivateKey.from_private_bytes(seed).sign

    def signature(prefix: bytes, body: bytes) -> bytes:
        return b"v1a," + b2a_base64(sign_bytes(prefix + body), newline=False)

    return signature
