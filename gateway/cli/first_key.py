"""The first API key of an embedded store: made once, kept in `<data>/admin-key` for its owner only.

It has scope `admin` and the name `first`. When the file's key is unknown to the store (its data were removed), or was
revoked, a new one is made: whoever can read the folder can do everything with the store anyway.
"""

import os
from pathlib import Path

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.store.api_keys import ApiKeys

NAME = "first"


async def first_key(redis: Redis, path: Path, clock: Clock) -> str:
    """The key's text; made and written when it is missing or unknown."""
    keys = ApiKeys(redis, clock)
    written = read(path)
    if written is not None and await keys.find(written) is not None:
        return written
    _, secret = await keys.create(NAME, ("admin",))
    write(path, secret)
    return secret


def read(path: Path) -> str | None:
    """The text of the key file; None when there is none."""
    return path.read_text("ascii", errors="replace").strip() if path.is_file() else None


def write(path: Path, secret: str) -> None:
    """Replace the key file in one step; its owner alone can read it."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secret + "\n")
    draft.replace(path)
