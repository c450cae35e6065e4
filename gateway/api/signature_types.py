"""How signatures, formats and secrets of an endpoint look in the API."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.model import endpoint as model
from gateway.model import profile
from gateway.model.secret import SignatureVersion

MAXIMUM_OVERLAP = 2_592_000
DEFAULT_OVERLAP = 86_400
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Format = Annotated[
    model.Format,
    Meta(
        description="`standard`: `{id, type, source, subject, timestamp, data}`; `cloudevents`: CloudEvents in "
        "structured mode; `cloudevents-binary`: attributes in `ce-*` headers; `raw`: the payload alone."
    ),
]
Signatures = Annotated[
    list[SignatureVersion],
    Meta(
        min_length=1,
        max_length=2,
        description="Versions in `webhook-signature`: `v1` (HMAC-SHA256, whsec_), `v1a` (Ed25519, whpk_), or both.",
    ),
]
Text = Annotated[str, Meta(max_length=64)]
ProfileSecret = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=256,
        description="The secret that receivers have already: its text is the key. Never shown again: `***` stands for "
        "it, and keeps it when it comes back. Absent: the endpoint's own whsec_ secrets, rotated with them.",
    ),
]


class ProfileTimestamp(msgspec.Struct):
    """The time of sending in seconds: sent in `header`, signed as `prefix`, seconds, `separator`, then the body."""

    header: Text
    separator: Text = "."
    prefix: Text = ""


class SignatureProfile(msgspec.Struct):
    """One more signature, in the style of the system that is migrated from. All but `kind secret` is for `hmac`.

    `stripe`: `stripe-signature: t=<seconds>,v1=<hex>` over `<seconds>.<body>`, one `v1` for each live secret;
    `github`: `x-hub-signature-256: sha256=<hex>` over the body; `hmac`: `<header>: <prefix><signature>`.
    """

    kind: Literal["stripe", "github", "hmac"]
    secret: ProfileSecret | None = None
    header: Annotated[str, Meta(max_length=64, description="Required for `hmac`.")] = ""
    algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    prefix: Text = ""
    key_encoding: Annotated[
        profile.KeyEncoding,
        Meta(description="How the secret's text is read; `base64` of a whsec_ secret is what follows its prefix."),
    ] = "utf8"
    timestamp: ProfileTimestamp | None = None


ProfilePatch = Annotated[
    dict[str, Any], Meta(description="Members to change; another `kind` replaces the profile as a whole.")
]


class Rotation(msgspec.Struct):
    """How to rotate: what signed before ends after the overlap, 0: at once.

    Every version that the endpoint signs with gets a new secret, or only `kind`, or only that of the given `secret`.
    """

    overlap_seconds: Annotated[int, Meta(ge=0, le=MAXIMUM_OVERLAP)] = DEFAULT_OVERLAP
    secret: Annotated[str, Meta(description="A whsec_ or whsk_ secret; made when absent.")] | None = None
    kind: SignatureVersion | None = None


class LiveSecret(msgspec.Struct):
    """A secret that signs, without its text; null in `expires_at`: until it is rotated."""

    id: Annotated[str, Meta(description="For `v1a` also the `kid` of its key at /.well-known/jwks.json.")]
    kind: SignatureVersion
    created_at: Time
    expires_at: Time | None
    public_key: Annotated[str, Meta(description="whpk_, for `v1a`.")] | None


class Secret(msgspec.Struct):
    """The newest secrets for receivers: the whsec_ text and the whpk_ key; and every live one, newest first."""

    secret: str
    public_key: str | None
    secrets: list[LiveSecret]
