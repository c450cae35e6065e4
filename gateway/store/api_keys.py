"""API keys: who may call. A key is shown once, when it is made; what is kept is its SHA-256.

A key has 256 bits of randomness, so a plain hash is enough, and finding it by its hash tells an observer of time
nothing about the key. Making and revoking are in the registry's change stream: a gateway that remembers keys forgets
them when it reads of them.
"""

import hashlib
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway import ids
from gateway.clock import Clock
from gateway.model.api_key import ApiKey, Scope
from gateway.store import scripts
from gateway.store.keys import RegistryKeys

_SECRET = re.compile(r"hk_[A-Za-z0-9_-]{43}")
_KEYS = (RegistryKeys.api_keys, RegistryKeys.changes)
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ApiKey)


def digest(secret: str) -> str:
    """What is kept of a key: its SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(secret.encode()).hexdigest()


class ApiKeys:
    """The keys of the deployment; `clock` gives the time of creation."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def create(self, name: str, scopes: Sequence[Scope], subscriber: str | None = None) -> tuple[ApiKey, str]:
        """A new key, and its text, `hk_` and 43 characters, which cannot be had again."""
        now = self._clock.wall_ms()
        key = ApiKey(ids.make("key", now), name, tuple(scopes), now, subscriber)
        secret = "hk_" + secrets.token_urlsafe(32)
        args = (digest(secret), "", _encoder.encode(key), "api_key", key.id)
        await scripts.load("registry_swap")(self._redis, _KEYS, args)
        return key, secret

    async def find(self, secret: str) -> ApiKey | None:
        """The key with this text; None for any other text."""
        if _SECRET.fullmatch(secret) is None:
            return None
        value: Any = await self._redis.hget(RegistryKeys.api_keys, digest(secret))
        return _decoder.decode(value) if value else None

    async def list_all(self) -> list[ApiKey]:
        """All keys, oldest first."""
        found: Any = await self._redis.hgetall(RegistryKeys.api_keys)
        return sorted(map(_decoder.decode, found.values()), key=lambda key: (key.created_ms, key.id))

    async def revoke(self, key_id: str) -> bool:
        """Remove the key; False when there was none when this was called."""
        found: Any = await self._redis.hgetall(RegistryKeys.api_keys)
        for field, value in found.items():
            if _decoder.decode(value).id == key_id:
                args = (field, value, "", "api_key", key_id)
                return bool(await scripts.load("registry_swap")(self._redis, _KEYS, args))
        return False
