"""Signature profiles: one more signature on each attempt, in the style of the system that an endpoint migrates from.

| kind | header | signed |
|---|---|---|
| `stripe` | `stripe-signature: t=<seconds>,v1=<hex>`, one `v1` for each live secret | `<seconds>.<body>` |
| `github` | `x-hub-signature-256: sha256=<hex>`, newest secret | `<body>` |
| `hmac` | `<header>: <prefix><hex or base64>`, newest secret | `<body>`, or with a timestamp what it says before it |

The key is the text of a secret as these systems take it: its UTF-8 bytes, a `whsec_` with its prefix. So receivers keep
the code and the secret that they have: the profile's own secret is that one's text. Without a secret of its own the
profile signs with the endpoint's `v1` secrets, and is rotated with them.
"""

import base64
from typing import Literal

import msgspec

from receivers.errors import SecretError
from receivers.secrets import SYMMETRIC_PREFIX

KeyEncoding = Literal["utf8", "base64", "hex"]
STRIPE_HEADER = "stripe-signature"
GITHUB_HEADER = "x-hub-signature-256"


class ProfileTimestamp(msgspec.Struct, frozen=True):
    """The time in a signature: seconds in `header`, signed as `prefix`, seconds, `separator` before the body."""

    header: str
    separator: str = "."
    prefix: str = ""


class SignatureProfile(msgspec.Struct, frozen=True):
    """A profile as the registry keeps it; all but `kind` is for `hmac` only."""

    kind: Literal["stripe", "github", "hmac"]
    header: str = ""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: str = ""
    key_encoding: KeyEncoding = "utf8"
    timestamp: ProfileTimestamp | None = None


def as_hmac(profile: SignatureProfile) -> SignatureProfile:
    """The parameters of a profile that is not `stripe`."""
    if profile.kind == "github":
        return SignatureProfile("hmac", header=GITHUB_HEADER, prefix="sha256=")
    return profile


def header_names(profile: SignatureProfile) -> tuple[str, ...]:
    """The headers that it sends, in lower case."""
    if profile.kind == "stripe":
        return (STRIPE_HEADER,)
    given = as_hmac(profile)
    names = (given.header, given.timestamp.header) if given.timestamp else (given.header,)
    return tuple(name.lower() for name in names)


def key_of(text: str, encoding: KeyEncoding) -> bytes:
    """The HMAC key that a secret's text is. Raises SecretError, which does not repeat it."""
    if encoding == "utf8":
        return text.encode()
    try:
        if encoding == "hex":
            key = bytes.fromhex(text)
        else:
            key = base64.b64decode(text.removeprefix(SYMMETRIC_PREFIX), validate=True)
    except ValueError:
        key = b""
    if not key:
        raise SecretError("secret_encoding", f"the secret is not {encoding}")
    return key
