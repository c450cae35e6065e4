"""The inbox in Redis or Valkey (7.0 or newer): shared by all workers of a receiver, survives restarts.

One string per webhook id, one key per script, so it runs on a cluster too. Each script may be called again after a lost
reply and answers the same. This is the only module of the package that needs `redis`.

It does not check how the server keeps data: with `appendfsync everysec` a crash may forget the last second, and a
repeat of that second is then handled again.
"""

import hashlib
import secrets
from pathlib import Path
from typing import Any, Self

import redis.asyncio
from redis.exceptions import NoScriptError, RedisError

from receivers.errors import InboxError
from receivers.inbox.base import (
    DEFAULT_LEASE_SECONDS,
    DEFAULT_TTL_SECONDS,
    Claim,
    Claimed,
    Done,
    InProgress,
    validate_times,
)

DEFAULT_PREFIX = "hookline:inbox:"
_TIMEOUT_SECONDS = 5.0


class _Script:
    """A Lua file, called by its hash and sent in full when the server does not know it."""

    def __init__(self, name: str) -> None:
        source = Path(__file__).with_name("lua") / f"{name}.lua"
        self.text = source.read_text(encoding="utf-8")
        self.sha1 = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


_CLAIM, _COMMIT, _RELEASE = _Script("claim"), _Script("commit"), _Script("release")


class RedisInbox:
    """Inbox on a `redis.asyncio` client. The caller owns the client, unless `from_url` made it."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        *,
        prefix: str = DEFAULT_PREFIX,
        lease_seconds: float = DEFAULT_LEASE_SECONDS,
        ttl_seconds: float = DEFAULT_TTL_SECONDS,
    ) -> None:
        validate_times(lease_seconds, ttl_seconds)
        self._client = client
        self._prefix = prefix
        self._lease_ms = max(1, round(lease_seconds * 1000))
        self._ttl_ms = max(1, round(ttl_seconds * 1000))

    @classmethod
    def from_url(
        cls,
        url: str,
        *,
        prefix: str = DEFAULT_PREFIX,
        lease_seconds: float = DEFAULT_LEASE_SECONDS,
        ttl_seconds: float = DEFAULT_TTL_SECONDS,
    ) -> Self:
        """An inbox with its own client (connect and answer within 5 s); end it with `aclose`."""
        client = redis.asyncio.Redis.from_url(
            url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS
        )
        return cls(client, prefix=prefix, lease_seconds=lease_seconds, ttl_seconds=ttl_seconds)

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self._client.aclose()

    @property
    def ttl_seconds(self) -> float:
        """How long a done id is remembered, in seconds."""
        return self._ttl_ms / 1000

    def key(self, webhook_id: str) -> str:
        """String, the entry of one webhook id; TTL `ttl_seconds`; written and read by the three scripts."""
        return self._prefix + webhook_id

    async def claim(self, webhook_id: str) -> Claim:
        """See `base.Inbox.claim`."""
        token = secrets.token_hex(16)
        state, milliseconds = await self._run(_CLAIM, webhook_id, token, self._lease_ms, self._ttl_ms)
        if state == 1:
            return Claimed(token)
        return Done() if state == 2 else InProgress(milliseconds / 1000)

    async def commit(self, webhook_id: str, token: str) -> bool:
        """See `base.Inbox.commit`."""
        return bool(await self._run(_COMMIT, webhook_id, token, self._ttl_ms))

    async def release(self, webhook_id: str, token: str) -> bool:
        """See `base.Inbox.release`."""
        return bool(await self._run(_RELEASE, webhook_id, token))

    async def _run(self, script: _Script, webhook_id: str, *arguments: str | int) -> Any:
        tail = (1, self.key(webhook_id), *arguments)
        try:
            try:
                return await self._client.execute_command("EVALSHA", script.sha1, *tail)
            except NoScriptError:
                return await self._client.execute_command("EVAL", script.text, *tail)
        except (RedisError, OSError) as error:
            raise InboxError("inbox_unavailable", f"the Redis inbox does not answer: {error}") from error
