"""Who calls: API keys from `Authorization: Bearer <key>`, remembered per process as long as that is known to be right.

    header --SHA-256--> remembered? --yes--> the key                      (no I/O: the hot path)
                                    --no---> look-up in the store --> remember

A follower reads the registry's change stream and forgets every key when one was made or revoked. What is remembered
counts only while the follower's last read is younger than 3 s; when it cannot read, each call asks the store, which
then answers 503 by itself. So a revoked key is accepted for milliseconds, and never longer than 3 s.

Invariants: a key is compared as a digest, so timing tells nothing; the memory holds digests, never keys; a look-up that
began before keys were forgotten is not remembered after. It refuses keys in the query and Authorization given twice.
"""

import hashlib
from typing import Protocol

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.model.api_key import ApiKey, Scope
from gateway.problems import Problem
from gateway.store import connection
from gateway.store.changes import Changes
from gateway.store.keys import RegistryKeys

FRESH_SECONDS = 3.0
BLOCK_MS = 1_000
RETRY_SECONDS = 0.5
MAXIMUM_REMEMBERED = 10_000
_SCHEME = b"bearer "
_CURL = "with curl: -H 'Authorization: Bearer <API key>'"


class KeySource(Protocol):
    """Where keys are looked up: `gateway.store.api_keys.ApiKeys`."""

    async def find(self, secret: str) -> ApiKey | None:
        """The key with this text, or None."""
        ...


class ChangeSource(Protocol):
    """Where changes are read: `gateway.store.registry.Registry`."""

    async def changes_tail(self) -> str:
        """A cursor at the end."""
        ...

    async def changes_since(self, cursor: str) -> Changes:
        """What came after the cursor."""
        ...


class Authenticator:
    """Knows keys; `waiting` is a connection of its own on which a read may block."""

    def __init__(self, keys: KeySource, changes: ChangeSource, waiting: Redis, clock: Clock) -> None:
        self._keys = keys
        self._changes = changes
        self._waiting = waiting
        self._clock = clock
        self._remembered: dict[bytes, ApiKey] = {}
        self._generation = 0
        self._read_at = float("-inf")
        self._cursor: str | None = None

    def authenticate(self, authorization: bytes) -> ApiKey | None:
        """The key of a raw Authorization header if it is remembered; None means: ask `identify`. No I/O."""
        return self.remembered(digest(authorization))

    def remembered(self, header_digest: bytes) -> ApiKey | None:
        """The same by the digest of the header."""
        key = self._remembered.get(header_digest)
        if key is None or self._clock.monotonic() - self._read_at > FRESH_SECONDS:
            return None
        return key

    async def identify(self, authorization: bytes | None) -> ApiKey:
        """The key of a raw Authorization header.

        Raises Problem `unauthorized`, the same for an unknown and a revoked key; raises redis errors.
        """
        if authorization is None:
            raise Problem("unauthorized", f"there is no API key; {_CURL}")
        known = self.authenticate(authorization)
        if known is not None:
            return known
        generation = self._generation
        found = await self._keys.find(_secret_of(authorization))
        if found is None:
            raise Problem("unauthorized", "this API key does not exist or was revoked")
        if generation == self._generation and len(self._remembered) < MAXIMUM_REMEMBERED:
            self._remembered[digest(authorization)] = found
        return found

    def forget(self) -> None:
        """Remember nothing, also not what is being looked up now."""
        self._generation += 1
        self._remembered.clear()

    async def follow(self) -> None:
        """The follower: for ever, through every outage of the store."""
        while True:
            try:
                await self.run_once()
            except Exception as error:
                if not connection.is_unavailable(error):
                    raise
                self._cursor = None
                self.forget()
                await self._clock.sleep(RETRY_SECONDS)

    async def run_once(self, block_ms: int = BLOCK_MS) -> int:
        """Wait for changes, at most `block_ms`, and read them; how many there were. Raises redis errors."""
        if self._cursor is None:
            self._cursor = await self._changes.changes_tail()
            self.forget()
            self._read_at = self._clock.monotonic()
        await self._waiting.xread({RegistryKeys.changes: self._cursor}, count=1, block=block_ms)
        asked_at = self._clock.monotonic()
        found = await self._changes.changes_since(self._cursor)
        if found.truncated:
            self._cursor = None
            self.forget()
            return 0
        self._cursor = found.cursor
        if any(change.kind == "api_key" for change in found.changes):
            self.forget()
        self._read_at = asked_at
        return len(found.changes)


def digest(authorization: bytes) -> bytes:
    """What a raw Authorization header is remembered by."""
    return hashlib.sha256(authorization).digest()


def require_scope(key: ApiKey, scope: Scope) -> None:
    """Raise Problem `forbidden` unless the key has the scope."""
    if not key.allows(scope):
        raise Problem("forbidden", f"this needs the scope {scope}, the key has {', '.join(key.scopes) or 'none'}")


def _secret_of(authorization: bytes) -> str:
    scheme, secret = authorization[: len(_SCHEME)], authorization[len(_SCHEME) :]
    if scheme.lower() != _SCHEME or not secret.isascii():
        raise Problem("unauthorized", f"Authorization is not one `Bearer <API key>`; {_CURL}")
    return secret.decode().strip(" ")
