"""API keys: who may call, and for what."""

from typing import Literal

import msgspec

Scope = Literal["publish", "read", "manage", "admin"]
SCOPES: tuple[Scope, ...] = ("publish", "read", "manage", "admin")


class ApiKey(msgspec.Struct, frozen=True):
    """A key as it is stored: never the key itself. `admin` includes the other scopes.

    With `subscriber` the key sees and changes that subscriber's objects only.
    """

    id: str
    name: str
    scopes: tuple[Scope, ...]
    created_ms: int = 0
    subscriber: str | None = None

    def allows(self, scope: Scope) -> bool:
        """Whether this key has the scope."""
        return scope in self.scopes or "admin" in self.scopes
