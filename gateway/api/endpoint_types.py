"""How an endpoint looks in the API: what may be sent, what is shown."""

import dataclasses
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway import rfc3339
from gateway.model import endpoint as model
from gateway.settings import MAX_SCHEDULE_SECONDS, MIN_SCHEDULE_SECONDS

HIDDEN = "***"
READ_ONLY = frozenset({"disabled_reason", "health", "created_at", "updated_at"})
"""Fields of `Endpoint` that a PUT ignores."""
Id = Annotated[
    str,
    Meta(
        description="Own id; not beginning with evt_ ep_ sub_ dlv_ rpl_ key_ op:. Made when absent.",
        extra_json_schema={"pattern": "^[A-Za-z0-9_:-]{1,100}$"},
    ),
]
Url = Annotated[str, Meta(max_length=2_048, description="https, and http only for internal subscribers.")]
Patterns = Annotated[list[str], Meta(min_length=1, max_length=100, description="Event types, `order.*` or `*`.")]
Description = Annotated[str, Meta(max_length=1_000)]
Metadata = Annotated[dict[str, Any], Meta(description="Yours; at most 4 KB as JSON.")]
Wait = Annotated[int, Meta(ge=MIN_SCHEDULE_SECONDS, le=MAX_SCHEDULE_SECONDS)]
Schedule = Annotated[
    list[Wait], Meta(min_length=1, max_length=50, description="Seconds to wait after each failed attempt.")
]
Headers = Annotated[dict[str, str], Meta(description="Sent with every attempt; at most 20, 1 KB each.")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class WritableEndpoint(msgspec.Struct):
    """The writable fields of an endpoint, with their defaults."""

    url: Url
    event_types: Patterns = msgspec.field(default_factory=lambda: ["*"])
    description: Description = ""
    metadata: Metadata = {}
    status: model.Status = "enabled"
    retry_schedule: Schedule | None = None
    headers: Headers = {}


class EndpointPatch(msgspec.Struct, omit_defaults=True):
    """A merge patch of an endpoint: only what shall change; null means the default."""

    url: Url | msgspec.UnsetType = msgspec.UNSET
    event_types: Patterns | msgspec.UnsetType | None = msgspec.UNSET
    description: Description | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    status: model.Status | msgspec.UnsetType | None = msgspec.UNSET
    retry_schedule: Schedule | msgspec.UnsetType | None = msgspec.UNSET
    headers: dict[str, str | None] | msgspec.UnsetType | None = msgspec.UNSET


class NewEndpoint(WritableEndpoint):
    """An endpoint to be made for a subscriber."""

    id: Id | None = None
    secret: Annotated[str, Meta(description="A whsec_ secret; made when absent.")] | None = None


class EndpointPut(WritableEndpoint):
    """An endpoint as a whole; `subscriber` is required to make one and cannot change, `secret` only makes one."""

    id: Id | None = None
    subscriber: str | None = None
    secret: str | None = None


class LastFailure(msgspec.Struct):
    """The newest failed attempt."""

    at: Time
    error: str
    response_status: int | None
    delivery: str | None


class Health(msgspec.Struct):
    """How an endpoint does; it is disabled at `disables_at` unless an attempt succeeds before."""

    consecutive_failures: int = 0
    failing_since: Time | None = None
    last_success_at: Time | None = None
    last_failure: LastFailure | None = None
    disables_at: Time | None = None


class Endpoint(msgspec.Struct, kw_only=True):
    """An endpoint. The values of `headers` are `***` for a key without the scope `manage`."""

    id: str
    subscriber: str
    url: str
    event_types: tuple[str, ...]
    description: str
    metadata: dict[str, Any]
    status: model.Status
    disabled_reason: model.DisabledReason | None
    retry_schedule: tuple[int, ...] | None
    headers: dict[str, str]
    health: Health
    created_at: Time
    updated_at: Time


class CreatedEndpoint(Endpoint, kw_only=True):
    """A new endpoint with its signing secret, which is shown here and at `/v1/endpoints/{id}/secret` only."""

    secret: str


class ReplayBody(msgspec.Struct):
    """The body of the POST /v1/replays that would bring what was missed."""

    endpoint: str
    since: Time
    until: Time
    mode: str = "fill"


class EnabledEndpoint(Endpoint, kw_only=True):
    """An endpoint after `enable`: since when it was disabled, and how to bring what it missed; null if it was not."""

    disabled_since: Time | None = None
    replay: ReplayBody | None = None


class Secret(msgspec.Struct):
    """The signing secret."""

    secret: str


@dataclasses.dataclass(frozen=True, slots=True)
class Shown:
    """What a caller may see of an endpoint, and what is needed to show it."""

    health: Mapping[int, model.Health]
    disable_after_seconds: int
    header_values: bool


def fields_of(endpoint: model.Endpoint, shown: Shown) -> dict[str, Any]:
    """The fields of `Endpoint`, for it and its variants."""
    headers = endpoint.headers if shown.header_values else dict.fromkeys(endpoint.headers, HIDDEN)
    disable_after = shown.disable_after_seconds if endpoint.status != "disabled" else None
    return {
        "id": endpoint.id,
        "subscriber": endpoint.subscriber,
        "url": endpoint.url,
        "event_types": endpoint.event_types,
        "description": endpoint.description,
        "metadata": endpoint.metadata,
        "status": endpoint.status,
        "disabled_reason": endpoint.disabled_reason,
        "retry_schedule": endpoint.retry_schedule,
        "headers": headers,
        "health": health_view(shown.health.get(endpoint.number, model.Health()), disable_after),
        "created_at": rfc3339.format_ms(endpoint.created_ms),
        "updated_at": rfc3339.format_ms(endpoint.updated_ms),
    }


def health_view(health: model.Health, disable_after_seconds: int | None) -> Health:
    """Health with times as text; `disable_after_seconds` is HOOKLINE_DISABLE_AFTER, None if disabled already."""
    last = health.last_failure
    since = health.failing_since_ms
    disables = None if since is None or disable_after_seconds is None else since + disable_after_seconds * 1_000
    return Health(
        consecutive_failures=health.consecutive_failures,
        failing_since=_time(since),
        last_success_at=_time(health.last_success_ms),
        last_failure=LastFailure(rfc3339.format_ms(last.at_ms), last.error, last.status, last.delivery)
        if last
        else None,
        disables_at=_time(disables),
    )


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339.format_ms(milliseconds)
