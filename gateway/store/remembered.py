"""Remembers, in the data folder, the store that a gateway was used with: one that comes back empty is refused.

    <data>/stores.json    {address of the store, without its password: fingerprint of the deployment in it}

A store that starts with another directory, or without its files, looks like a new one and would be taken for a first
start: every acknowledged event is gone and nobody says so. An address that was never used before is a first start, and
without a data folder there is nothing to remember.
"""

import contextlib
import hashlib
import json
from pathlib import Path

from gateway.store.errors import StoreError
from gateway.store.registry_reads import Meta

NAME = "stores.json"


class StoreReplaced(StoreError):
    """At this address there was another deployment before."""

    code = "store_replaced"

    def __init__(self, address: str, path: Path) -> None:
        super().__init__(
            f"the store at {address} is not the one that this gateway was used with, which had acknowledged events: "
            f"was it started with another or an empty directory? Start it with its own files; if they are gone for "
            f"good, remove {path}, or start with --accept-data-loss (HOOKLINE_ACCEPT_DATA_LOSS=1)"
        )


def require_same(folder: Path, url: str, meta: Meta, *, accept_data_loss: bool) -> None:
    """Raise StoreReplaced when another deployment was at this address; remember this one.

    A folder that does not exist or cannot be written is left alone.
    """
    path = folder / NAME
    address, fingerprint = address_of(url), hashlib.sha256(meta.cursor_key).hexdigest()[:16]
    known = _read(path)
    if known.get(address, fingerprint) != fingerprint and not accept_data_loss:
        raise StoreReplaced(address, path)
    if known.get(address) != fingerprint and folder.is_dir():
        _write(path, {**known, address: fingerprint})


def address_of(url: str) -> str:
    """A store's URL without user, password and options."""
    scheme, _, rest = url.partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def _read(path: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text("utf-8"))
        if isinstance(found, dict):
            return {str(address): str(fingerprint) for address, fingerprint in found.items()}
    return {}


def _write(path: Path, known: dict[str, str]) -> None:
    new = path.with_suffix(".new")
    with contextlib.suppress(OSError):
        new.write_text(json.dumps(known, indent=2) + "\n", "utf-8")
        new.replace(path)
