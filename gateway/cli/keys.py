"""`hookline keys`: make, list and revoke API keys; encrypt the signing secrets with another key.

An API key's text goes to standard output alone, so that it can be kept:

KEY=$(hookline keys create --name shop --scope publish)
"""

import click
from redis.asyncio import Redis
from rich.console import Console

from gateway import rfc3339
from gateway.cli import console as look
from gateway.cli.attach import store
from gateway.cli.errors import CommandFailed
from gateway.cli.folder import DataFolder
from gateway.clock import Clock
from gateway.model.api_key import Scope
from gateway.settings import Settings
from gateway.store import endpoint_secrets, errors
from gateway.store.api_keys import ApiKeys
from gateway.store.registry import Registry
from gateway.store.vault import Vault, VaultError


async def create(settings: Settings, clock: Clock, name: str, scopes: tuple[Scope, ...], subscriber: str | None) -> int:
    """Make a key; its text is printed this once."""
    async with store(settings) as redis:
        await _require_subscriber(redis, clock, subscriber)
        key, secret = await ApiKeys(redis, clock).create(name, scopes, subscriber)
    click.echo(f"{key.id}  {look.safe(name)}  {' '.join(scopes)}  (the key is shown only now)", err=True)
    click.echo(secret)
    return 0


async def list_all(settings: Settings, clock: Clock, console: Console) -> int:
    """One row for each key."""
    async with store(settings) as redis:
        keys = await ApiKeys(redis, clock).list_all()
    if not keys:
        click.echo("no keys: make one with hookline keys create --name first --scope admin", err=True)
        return 0
    rows = [
        (key.id, look.safe(key.name), " ".join(key.scopes), key.subscriber or "-", rfc3339.format_ms(key.created_ms))
        for key in keys
    ]
    look.table(console, ("id", "name", "scopes", "subscriber", "created"), rows, indent=0)
    return 0


async def revoke(settings: Settings, clock: Clock, key_id: str) -> int:
    """Make a key worthless from now on."""
    async with store(settings) as redis:
        if not await ApiKeys(redis, clock).revoke(key_id):
            raise CommandFailed(f"no key has the id {look.safe(key_id)}: hookline keys list shows them")
    click.echo(f"{key_id} is revoked", err=True)
    return 0


async def rewrap(settings: Settings, clock: Clock) -> int:
    """Encrypt every endpoint's secrets with the first key of HOOKLINE_ENCRYPTION_KEYS, while everything runs."""
    try:
        vault = Vault.from_settings(settings, DataFolder(settings.data).path)
        async with store(settings) as redis:
            done = await endpoint_secrets.rewrap_all(Registry(redis, clock), vault)
    except (VaultError, errors.Conflict) as error:
        raise CommandFailed(str(error)) from None
    click.echo(
        f"{done.secrets} secrets of {done.endpoints} endpoints were encrypted with another key; now all of "
        f"{done.total} endpoints need {vault.current} alone, and the keys after it can go",
        err=True,
    )
    return 0


async def _require_subscriber(redis: Redis, clock: Clock, subscriber: str | None) -> None:
    if subscriber is not None and await Registry(redis, clock).get_subscriber(subscriber) is None:
        raise CommandFailed(f"no subscriber has the id {look.safe(subscriber)}: create it first")
