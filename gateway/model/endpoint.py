"""Endpoints: one URL of a subscriber."""

from typing import Any, Literal

import msgspec

from gateway.model.subscriber import Kind

Status = Literal["enabled", "disabled"]
DisabledReason = Literal["gone", "failing", "operator"]


class Endpoint(msgspec.Struct, frozen=True):
    """One URL of a subscriber, as the registry keeps it.

    `number` names it inside records and is never used twice; `kind` is its subscriber's; `secret` is the encrypted
    signing secret; `retry_schedule` in seconds, None for the deployment's; `revision` grows with every change.
    """

    id: str
    number: int
    subscriber: str
    kind: Kind
    url: str
    event_types: tuple[str, ...] = ("*",)
    description: str = ""
    metadata: dict[str, Any] = {}
    status: Status = "enabled"
    disabled_reason: DisabledReason | None = None
    disabled_ms: int | None = None
    retry_schedule: tuple[int, ...] | None = None
    headers: dict[str, str] = {}
    secret: bytes = b""
    created_ms: int = 0
    updated_ms: int = 0
    revision: int = 1


class LastFailure(msgspec.Struct, frozen=True):
    """The newest failed attempt at an endpoint."""

    at_ms: int
    error: str
    status: int | None = None
    delivery: str | None = None


class Health(msgspec.Struct, frozen=True):
    """How an endpoint does; times are store milliseconds."""

    consecutive_failures: int = 0
    failing_since_ms: int | None = None
    last_success_ms: int | None = None
    last_failure: LastFailure | None = None
