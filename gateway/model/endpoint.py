"""Endpoints: one URL of a subscriber."""

from typing import Any, Literal

import msgspec

from gateway.model.profile import SignatureProfile
from gateway.model.secret import Secrets, SignatureVersion
from gateway.model.subscriber import Kind

Status = Literal["enabled", "paused", "disabled"]
DisabledReason = Literal["gone", "failing", "operator"]
Format = Literal["standard", "cloudevents", "cloudevents-binary", "raw"]
OnFailure = Literal["block", "skip"]


class Rate(msgspec.Struct, frozen=True):
    """A token bucket: `per_second` attempts on average, `burst` at once."""

    per_second: float
    burst: int = 1


class Endpoint(msgspec.Struct, frozen=True):
    """One URL of a subscriber, as the registry keeps it.

    `number` names it inside records and is never used twice; `kind` is its subscriber's; `secrets` are encrypted,
    newest first, `signatures` says which kinds of them sign; `retry_schedule` in seconds, `deadline_seconds` and
    `max_in_flight` are None for the deployment's; `filter` is a CEL expression, '' for none. `status` `paused` holds
    deliveries since `paused_ms`; `catch_up` is the id of the replay that live events wait for. `revision` grows with
    every change.
    """

    id: str
    number: int
    subscriber: str
    kind: Kind
    url: str
    event_types: tuple[str, ...] = ("*",)
    filter: str = ""
    description: str = ""
    metadata: dict[str, Any] = {}
    status: Status = "enabled"
    disabled_reason: DisabledReason | None = None
    disabled_ms: int | None = None
    paused_ms: int | None = None
    retry_schedule: tuple[int, ...] | None = None
    deadline_seconds: int | None = None
    max_in_flight: int | None = None
    rate: Rate | None = None
    ordered: bool = False
    on_failure: OnFailure = "block"
    catch_up: str = ""
    headers: dict[str, str] = {}
    format: Format = "standard"
    signatures: tuple[SignatureVersion, ...] = ("v1",)
    signature_profile: SignatureProfile | None = None
    secrets: Secrets = ()
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
