"""What an inbox is: the receiving side's memory of which `webhook-id` is being handled and which is done.

        claim                commit
    --> claimed (token) ----------------> done --(ttl)--> forgotten
          |   ^
          |   +-- claim after the lease: a new token takes over
          +------ release: forgotten, the next claim succeeds

Invariants, for every implementation
- `claim`, `commit` and `release` are atomic; among concurrent claims of one id exactly one is `Claimed`.
- `commit` and `release` act only for the token that holds the claim; a handler that was taken over changes nothing.
- An expired claim that nobody took over still belongs to its token: a slow handler's commit then counts.
- `done` is kept longer than the sender's whole retry schedule and at least twice the signature's tolerance: a message
  dated into the future by the tolerance stays valid for two of them.

It does not store events and does not retry: a claim that is never committed becomes claimable again, and the sender's
next attempt runs the handler.
"""

from dataclasses import dataclass
from typing import Protocol

from receivers.errors import InboxError

DEFAULT_LEASE_SECONDS = 60.0
DEFAULT_TTL_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """The caller handles this id now; `token` is its proof for commit and release."""

    token: str


@dataclass(frozen=True, slots=True)
class Done:
    """The id was handled and committed: acknowledge, run nothing."""


@dataclass(frozen=True, slots=True)
class InProgress:
    """Somebody else holds the claim, at most for `seconds_left` more if it does not finish."""

    seconds_left: float


Claim = Claimed | Done | InProgress


class Inbox(Protocol):
    """Deduplication store. Every method raises InboxError when the store cannot answer."""

    @property
    def ttl_seconds(self) -> float:
        """How long a done id is remembered."""
        ...

    async def claim(self, webhook_id: str) -> Claim:
        """Take the id, unless it is done or held."""
        ...

    async def commit(self, webhook_id: str, token: str) -> bool:
        """Mark the id done; False (and nothing changed) when the token no longer holds it."""
        ...

    async def release(self, webhook_id: str, token: str) -> bool:
        """Give the id back after a failure; False when the token does not hold it."""
        ...


def validate_times(lease_seconds: float, ttl_seconds: float) -> None:
    """Raise InboxError `inbox_settings` unless 0 < lease <= ttl."""
    if not 0 < lease_seconds <= ttl_seconds:
        raise InboxError(
            "inbox_settings",
            f"lease_seconds is {lease_seconds:g} and ttl_seconds is {ttl_seconds:g}; it must hold 0 < lease <= ttl",
        )


def require_ttl(inbox: Inbox, *, tolerance_seconds: float, retry_schedule_seconds: float) -> None:
    """Raise InboxError `inbox_settings` when a repeat could come after the inbox has forgotten the first."""
    needed = max(2 * tolerance_seconds, retry_schedule_seconds)
    if inbox.ttl_seconds < needed:
        raise InboxError(
            "inbox_settings",
            f"the inbox forgets after {inbox.ttl_seconds:g} s, but a repeat may come for {needed:g} s "
            "(twice the tolerance, and the sender's whole retry schedule); raise ttl_seconds",
        )
