"""Signing secrets in the text form of Standard Webhooks: a prefix and strict base64.

| prefix | bytes | held by | makes or checks |
|---|---|---|---|
| `whsec_` | 24-64, random | both sides | `v1` HMAC-SHA256 |
| `whsk_` | Ed25519 private key: 32 (seed), or 64 (seed and public key) | sender | `v1a` |
| `whpk_` | Ed25519 public key: 32 | receiver | `v1a` |

Strict on purpose: no prefix-less secret, no missing padding, no URL-safe alphabet, no surrounding white space. A secret
that one library accepts and another reads differently is found at registration, not by failed deliveries.
Source: Standard Webhooks 1.0, "Signature scheme"; RFC 8032 for the keys.
"""

import base64
import secrets
from dataclasses import dataclass, field

from receivers.errors import SecretError

SYMMETRIC_PREFIX = "whsec_"
PRIVATE_PREFIX = "whsk_"
PUBLIC_PREFIX = "whpk_"

_GENERATED_BYTES = 32
_SYMMETRIC_MINIMUM = 24
_SYMMETRIC_MAXIMUM = 64
_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class SymmetricSecret:
    """Shared HMAC key of 24-64 bytes."""

    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The sender's Ed25519 seed, 32 bytes."""

    seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The receiver's Ed25519 public key, 32 bytes."""

    key: bytes


Secret = SymmetricSecret | PrivateKey | PublicKey


def parse(text: str) -> Secret:
    """Read a secret; raises SecretError (`secret_type secret_prefix secret_encoding secret_length secret_key`)."""
    if not isinstance(text, str):
        raise SecretError("secret_type", f"a secret is text, not {type(text).__name__}")
    if text.startswith(SYMMETRIC_PREFIX):
        return SymmetricSecret(_symmetric(_decode(text, SYMMETRIC_PREFIX)))
    if text.startswith(PRIVATE_PREFIX):
        return PrivateKey(_seed(_decode(text, PRIVATE_PREFIX)))
    if text.startswith(PUBLIC_PREFIX):
        return PublicKey(_public(_decode(text, PUBLIC_PREFIX)))
    raise SecretError("secret_prefix", "a secret starts with whsec_, whsk_ or whpk_ and no white space before it")


def generate_secret() -> str:
    """A new `whsec_` secret of 32 random bytes."""
    return SYMMETRIC_PREFIX + base64.b64encode(secrets.token_bytes(_GENERATED_BYTES)).decode("ascii")


def generate_private_key() -> str:
    """A new `whsk_` key; `public_key_of` gives what its receivers need."""
    return PRIVATE_PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii")


def public_key_of(private_key: str) -> str:
    """The `whpk_` key for a `whsk_` key; raises SecretError for anything else."""
    key = parse(private_key)
    if not isinstance(key, PrivateKey):
        raise SecretError("secret_prefix", "only a whsk_ key has a public key")
    return PUBLIC_PREFIX + base64.b64encode(_derive_public(key.seed)).decode("ascii")


def _decode(text: str, prefix: str) -> bytes:
    encoded = text[len(prefix) :]
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError:
        raise SecretError("secret_encoding", _what_is_wrong(encoded, prefix)) from None


def _what_is_wrong(encoded: str, prefix: str) -> str:
    if encoded != encoded.strip():
        return f"white space around the base64 after {prefix}"
    if "-" in encoded or "_" in encoded:
        return f"the base64 after {prefix} uses the URL-safe alphabet; use + and / in place of - and _"
    if len(encoded.rstrip("=")) % 4 and len(encoded) % 4:
        return f"the base64 after {prefix} lacks its padding (=) or is cut short"
    return f"the text after {prefix} is not base64"


def _symmetric(key: bytes) -> bytes:
    if not _SYMMETRIC_MINIMUM <= len(key) <= _SYMMETRIC_MAXIMUM:
        raise SecretError("secret_length", f"a whsec_ secret has 24 to 64 bytes, this one has {len(key)}")
    return key


def _seed(key: bytes) -> bytes:
    if len(key) not in {_KEY_BYTES, 2 * _KEY_BYTES}:
        raise SecretError("secret_length", f"a whsk_ key has 32 or 64 bytes, this one has {len(key)}")
    seed, public = key[:_KEY_BYTES], key[_KEY_BYTES:]
    if public and public != _derive_public(seed):
        raise SecretError("secret_key", "the two halves of the whsk_ key do not belong together")
    return seed


def _public(key: bytes) -> bytes:
    if len(key) != _KEY_BYTES:
        raise SecretError("secret_length", f"a whpk_ key has 32 bytes, this one has {len(key)}")
    return key


def _derive_public(seed: bytes) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
