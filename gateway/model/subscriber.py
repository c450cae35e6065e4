"""Subscribers: who wants events."""

from typing import Any, Literal

import msgspec

Kind = Literal["internal", "external"]


class Subscriber(msgspec.Struct, frozen=True, omit_defaults=False):
    """A party that wants events. `kind` is fixed at creation: external ones get only what is addressed to them."""

    id: str
    kind: Kind
    name: str = ""
    metadata: dict[str, Any] = {}
    created_ms: int = 0
