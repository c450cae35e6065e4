"""`/.well-known/jwks.json`: the Ed25519 keys with which deliveries are signed, for everybody.

Who verifies `v1a` signatures needs no secret and, with this, no registration of keys either. It refuses to say whose a
key is.

Source: RFC 7517 (JSON Web Key), RFC 8037 (OKP keys, EdDSA).
"""

import base64
from typing import Annotated

import msgspec
from msgspec import Meta

from gateway.api.call import Answer, Call
from gateway.api.openapi import Operation, Route
from gateway.model import secret as model
from receivers import secrets

PATH = "/.well-known/jwks.json"
MEDIA_TYPE = "application/jwk-set+json"
CACHE_CONTROL = "public, max-age=60"


class Key(msgspec.Struct):
    """A public key; `kid` is the id of the secret."""

    kid: str
    x: Annotated[str, Meta(description="The 32 bytes of the key, base64url without padding.")]
    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "EdDSA"
    use: str = "sig"


class KeySet(msgspec.Struct):
    """A JWK set."""

    keys: list[Key]


def key_of(secret: model.EndpointSecret) -> Key:
    """A secret's public key as JWK."""
    raw = base64.b64decode(secret.public_key.removeprefix(secrets.PUBLIC_PREFIX))
    return Key(secret.id, base64.urlsafe_b64encode(raw).decode().rstrip("="))


async def show(call: Call) -> Answer:
    """GET /.well-known/jwks.json."""
    keys = KeySet([key_of(one) for one in await call.services.public_keys.live()])
    return Answer(keys, headers={"content-type": MEDIA_TYPE, "cache-control": CACHE_CONTROL})


ROUTES = (
    Route(Operation(
        "show_jwks", "GET", PATH, "The Ed25519 keys of all endpoints",
        answers={200: KeySet}, answer_type=MEDIA_TYPE, headers={"Cache-Control": "For a minute."},
        problems=("store_unavailable",),
        description="Public keys that verify `v1a` signatures: during a rotation the old and the new one, each as long "
        "as it signs. Without a key.",
    ), show),
)  # fmt: skip
