"""An endpoint's secrets and the vault: made and sealed, opened, wrapped anew. A sealed secret never leaves its place.

It refuses to judge a text: who hands one in has parsed it. It never logs one.
"""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from gateway import ids
from gateway.model.endpoint import Endpoint
from gateway.model.secret import EndpointSecret, SecretKind
from gateway.store import errors
from gateway.store.registry import Registry
from gateway.store.vault import Place, Vault
from receivers import secrets

ATTEMPTS = 8
AT_ONCE = 32


class Rewrapped(NamedTuple):
    """`secrets` of `endpoints` were wrapped by another key before; `total` endpoints were looked at."""

    total: int
    endpoints: int
    secrets: int


def generate(kind: SecretKind) -> str:
    """A new text: `whsk_` for `v1a`, else `whsec_`."""
    return secrets.generate_private_key() if kind == "v1a" else secrets.generate_secret()


def seal(vault: Vault, endpoint_id: str, kind: SecretKind, text: str, now_ms: int) -> EndpointSecret:
    """A secret to store, with an id of its own; `text` is good for its kind."""
    secret_id = ids.make("sec", now_ms)
    public_key = secrets.public_key_of(text) if kind == "v1a" else ""
    sealed = vault.seal(text.encode(), Place(endpoint_id, secret_id))
    return EndpointSecret(secret_id, kind, sealed, created_ms=now_ms, public_key=public_key)


def text_of(vault: Vault, endpoint_id: str, secret: EndpointSecret) -> str:
    """The text of a stored secret. Raises VaultError."""
    return vault.open(secret.sealed, Place(endpoint_id, secret.id)).decode()


def texts_of(vault: Vault, endpoint: Endpoint) -> dict[str, str]:
    """The texts of all its secrets by their ids. Raises VaultError."""
    return {secret.id: text_of(vault, endpoint.id, secret) for secret in endpoint.secrets}


def rewrapped(vault: Vault, endpoint: Endpoint) -> Endpoint:
    """The endpoint with every secret wrapped by the current key; the same one if all are. Raises VaultError."""
    if not _old(vault, endpoint):
        return endpoint
    renewed = tuple(
        msgspec.structs.replace(secret, sealed=vault.rewrap(secret.sealed, Place(endpoint.id, secret.id)))
        for secret in endpoint.secrets
    )
    return msgspec.structs.replace(endpoint, secrets=renewed)


def _old(vault: Vault, endpoint: Endpoint) -> int:
    return sum(vault.needs_rewrap(secret.sealed) for secret in endpoint.secrets)


async def rewrap_all(registry: Registry, vault: Vault) -> Rewrapped:
    """Wrap every endpoint's secrets by the current key, while everything runs; may be repeated and interrupted.

    Raises VaultError, Conflict when an endpoint keeps changing, and redis errors.
    """
    endpoints = await registry.list_endpoints()
    counts = [_old(vault, endpoint) for endpoint in endpoints]
    wanted = [endpoint for endpoint, old in zip(endpoints, counts, strict=True) if old]
    for start in range(0, len(wanted), AT_ONCE):
        await asyncio.gather(*(_rewrap(registry, vault, one) for one in wanted[start : start + AT_ONCE]))
    return Rewrapped(len(endpoints), len(wanted), sum(counts))


async def _rewrap(registry: Registry, vault: Vault, endpoint: Endpoint) -> None:
    found: Endpoint | None = endpoint
    for _ in range(ATTEMPTS):
        if found is None:
            return
        try:
            await registry.update_endpoint(rewrapped(vault, found), found.revision)
        except errors.Conflict:
            found = await registry.get_endpoint(endpoint.id)
        else:
            return
    raise errors.Conflict("endpoint", endpoint.id)


def missing(endpoint: Endpoint, kinds: Iterable[SecretKind]) -> list[SecretKind]:
    """The kinds of which it has no secret yet."""
    present = {secret.kind for secret in endpoint.secrets}
    return [kind for kind in kinds if kind not in present]
