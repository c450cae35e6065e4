"""Secrets of endpoints for tests that register or route endpoints without the API."""

from typing import Any

import msgspec

from gateway.model.endpoint import Endpoint
from gateway.model.secret import EndpointSecret, SecretKind, Secrets
from gateway.store import endpoint_secrets
from gateway.store.vault import Vault
from receivers.secrets import generate_secret, public_key_of


def sealed(vault: Vault, endpoint_id: str, text: str = "") -> Secrets:
    """One `v1` secret, made when no text is given."""
    return (endpoint_secrets.seal(vault, endpoint_id, "v1", text or generate_secret(), 1),)


def secret(name: str, kind: SecretKind = "v1", text: str = "", **fields: Any) -> EndpointSecret:
    """A secret without a vault: what is sealed is the text itself."""
    text = text or endpoint_secrets.generate(kind)
    public = public_key_of(text) if kind == "v1a" else ""
    return EndpointSecret(name, kind, text.encode(), public_key=public, **fields)


def with_secrets(endpoint: Endpoint, *secrets: EndpointSecret) -> Endpoint:
    """An endpoint with these, newest first."""
    return msgspec.structs.replace(endpoint, secrets=secrets)


def texts(endpoint: Endpoint) -> dict[str, str]:
    """The texts of secrets that were made without a vault."""
    return {one.id: one.sealed.decode() for one in endpoint.secrets}
