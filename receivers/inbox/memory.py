"""The inbox in this process: for development, tests and a receiver that is one process.

It forgets everything when the process ends, so after a restart a repeat is handled again; several workers do not see
each other's claims. Use `receivers.inbox.redis` for either.
"""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from receivers import clock
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

DEFAULT_MAXIMUM_ENTRIES = 1_000_000


@dataclass(slots=True)
class _Entry:
    token: str
    lease_until: float
    forget_at: float
    done: bool = False


class MemoryInbox:
    """Inbox in a dictionary, safe for threads. `now` gives monotonic seconds.

    At `maximum_entries` it refuses new ids (InboxError `inbox_full`) rather than forget a done one early.
    """

    def __init__(
        self,
        *,
        lease_seconds: float = DEFAULT_LEASE_SECONDS,
        ttl_seconds: float = DEFAULT_TTL_SECONDS,
        maximum_entries: int = DEFAULT_MAXIMUM_ENTRIES,
        now: Callable[[], float] = clock.monotonic_seconds,
    ) -> None:
        validate_times(lease_seconds, ttl_seconds)
        self.lease_seconds = lease_seconds
        self._ttl_seconds = ttl_seconds
        self._maximum_entries = maximum_entries
        self._now = now
        self._lock = threading.Lock()
        # ordered by the instant of forgetting: one ttl for all, and a clock that only grows
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    @property
    def ttl_seconds(self) -> float:
        """How long a done id is remembered, in seconds."""
        return self._ttl_seconds

    def __len__(self) -> int:
        """Ids remembered now, claimed or done."""
        return len(self._entries)

    async def claim(self, webhook_id: str) -> Claim:
        """See `base.Inbox.claim`."""
        with self._lock:
            now = self._now()
            self._forget(now)
            entry = self._entries.get(webhook_id)
            if entry is not None and entry.done:
                return Done()
            if entry is not None and now < entry.lease_until:
                return InProgress(entry.lease_until - now)
            if entry is None and len(self._entries) >= self._maximum_entries:
                raise InboxError("inbox_full", f"{self._maximum_entries} ids are remembered; use the Redis inbox")
            token = secrets.token_hex(16)
            self._put(webhook_id, _Entry(token, now + self.lease_seconds, now + self._ttl_seconds))
            return Claimed(token)

    async def commit(self, webhook_id: str, token: str) -> bool:
        """See `base.Inbox.commit`."""
        with self._lock:
            now = self._now()
            self._forget(now)
            entry = self._entries.get(webhook_id)
            if entry is None or entry.token != token:
                return False
            if not entry.done:
                self._put(webhook_id, _Entry(token, entry.lease_until, now + self._ttl_seconds, done=True))
            return True

    async def release(self, webhook_id: str, token: str) -> bool:
        """See `base.Inbox.release`."""
        with self._lock:
            self._forget(self._now())
            entry = self._entries.get(webhook_id)
            if entry is None or entry.done or entry.token != token:
                return False
            del self._entries[webhook_id]
            return True

    def _put(self, webhook_id: str, entry: _Entry) -> None:
        self._entries[webhook_id] = entry
        self._entries.move_to_end(webhook_id)

    def _forget(self, now: float) -> None:
        while self._entries and next(iter(self._entries.values())).forget_at <= now:
            self._entries.popitem(last=False)
