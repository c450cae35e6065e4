"""How an endpoint looks in the API: what may be sent, what is shown."""

import math
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from gateway import filters
from gateway.api import signature_types
from gateway.model import endpoint as model
from gateway.settings import MAX_SCHEDULE_SECONDS, MIN_SCHEDULE_SECONDS

HIDDEN = "***"
MAXIMUM_RATE = 100_000
MAXIMUM_BURST = 1_000_000
READ_ONLY = frozenset(
    {
        "disabled_reason", "paused_at", "catch_up", "held", "public_key", "health", "filter_errors", "created_at",
        "updated_at",
    }
)  # fmt: skip
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
Filter = Annotated[
    str,
    Meta(
        max_length=filters.MAXIMUM_BYTES,
        description='A CEL expression over the event, such as `data.amount > 100 && subject.startsWith("eu/")`: only '
        "events for which it is true; null: all that match.",
    ),
]
Description = Annotated[str, Meta(max_length=1_000)]
Metadata = Annotated[dict[str, Any], Meta(description="Yours; at most 4 KB as JSON.")]
Wait = Annotated[int, Meta(ge=MIN_SCHEDULE_SECONDS, le=MAX_SCHEDULE_SECONDS)]
Schedule = Annotated[
    list[Wait], Meta(min_length=1, max_length=50, description="Seconds to wait after each failed attempt.")
]
Deadline = Annotated[
    int, Meta(ge=1, le=300, description="Seconds for one attempt as a whole; null: HOOKLINE_DEADLINE_SECONDS.")
]
InFlight = Annotated[int, Meta(ge=1, le=10_000, description="Attempts at the same time; null: HOOKLINE_MAX_IN_FLIGHT.")]
Ordered = Annotated[
    bool, Meta(description="Deliveries of one ordering key go one after the other, in the order of acceptance.")
]
OnFailure = Annotated[
    model.OnFailure,
    Meta(
        description="Of an ordered endpoint: `block` holds what follows a failed delivery of its key until that one is "
        "delivered or dead; `skip` lets what follows pass it by."
    ),
]
Headers = Annotated[dict[str, str], Meta(description="Sent with every attempt; at most 20, 1 KB each.")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class Rate(msgspec.Struct):
    """How fast attempts may start: `per_second` on average, `burst` at once; absent: what one second brings."""

    per_second: Annotated[float, Meta(gt=0, le=MAXIMUM_RATE)]
    burst: Annotated[int, Meta(ge=1, le=MAXIMUM_BURST)] | None = None

    def to_model(self) -> model.Rate:
        """The rate, with the default of `burst`."""
        return model.Rate(self.per_second, self.burst or max(1, math.ceil(self.per_second)))


class WritableEndpoint(msgspec.Struct):
    """The writable fields of an endpoint, with their defaults."""

    url: Url
    event_types: Patterns = msgspec.field(default_factory=lambda: ["*"])
    filter: Filter | None = None
    description: Description = ""
    metadata: Metadata = {}
    status: model.Status = "enabled"
    retry_schedule: Schedule | None = None
    deadline_seconds: Deadline | None = None
    max_in_flight: InFlight | None = None
    rate: Rate | None = None
    ordered: Ordered = False
    on_failure: OnFailure = "block"
    headers: Headers = {}
    format: signature_types.Format = "standard"
    signatures: signature_types.Signatures = msgspec.field(default_factory=lambda: ["v1"])
    signature_profile: signature_types.SignatureProfile | None = None


class RatePatch(msgspec.Struct, omit_defaults=True):
    """A merge patch of a rate."""

    per_second: Annotated[float, Meta(gt=0, le=MAXIMUM_RATE)] | msgspec.UnsetType = msgspec.UNSET
    burst: Annotated[int, Meta(ge=1, le=MAXIMUM_BURST)] | msgspec.UnsetType | None = msgspec.UNSET


class EndpointPatch(msgspec.Struct, omit_defaults=True):
    """A merge patch of an endpoint: only what shall change; null means the default."""

    url: Url | msgspec.UnsetType = msgspec.UNSET
    event_types: Patterns | msgspec.UnsetType | None = msgspec.UNSET
    filter: Filter | msgspec.UnsetType | None = msgspec.UNSET
    description: Description | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType | None = msgspec.UNSET
    status: model.Status | msgspec.UnsetType | None = msgspec.UNSET
    retry_schedule: Schedule | msgspec.UnsetType | None = msgspec.UNSET
    deadline_seconds: Deadline | msgspec.UnsetType | None = msgspec.UNSET
    max_in_flight: InFlight | msgspec.UnsetType | None = msgspec.UNSET
    rate: RatePatch | msgspec.UnsetType | None = msgspec.UNSET
    ordered: Ordered | msgspec.UnsetType | None = msgspec.UNSET
    on_failure: OnFailure | msgspec.UnsetType | None = msgspec.UNSET
    headers: dict[str, str | None] | msgspec.UnsetType | None = msgspec.UNSET
    format: signature_types.Format | msgspec.UnsetType | None = msgspec.UNSET
    signatures: signature_types.Signatures | msgspec.UnsetType | None = msgspec.UNSET
    signature_profile: signature_types.ProfilePatch | msgspec.UnsetType | None = msgspec.UNSET


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


class FilterErrors(msgspec.Struct):
    """How often the filter, as it is, had no answer for an event, which counts as not matched; and why at last."""

    count: int = 0
    last_error: str | None = None
    last_at: Time | None = None


class Endpoint(msgspec.Struct, kw_only=True):
    """An endpoint. The values of `headers` are `***` for a key without the scope `manage`."""

    id: str
    subscriber: str
    url: str
    event_types: tuple[str, ...]
    filter: str | None
    description: str
    metadata: dict[str, Any]
    status: model.Status
    disabled_reason: model.DisabledReason | None
    paused_at: Time | None
    retry_schedule: tuple[int, ...] | None
    deadline_seconds: int | None
    max_in_flight: int | None
    rate: Rate | None
    ordered: bool
    on_failure: model.OnFailure
    catch_up: Annotated[str, Meta(description="The replay that live events wait for.")] | None
    headers: dict[str, str]
    format: signature_types.Format
    signatures: signature_types.Signatures
    signature_profile: signature_types.SignatureProfile | None
    public_key: Annotated[str, Meta(description="The newest whpk_ key; null before the first `v1a`.")] | None
    health: Health
    filter_errors: FilterErrors
    created_at: Time
    updated_at: Time


class Held(msgspec.Struct):
    """What waits for an endpoint now: held, or for its capacity. Not what is scheduled for a later time."""

    count: int
    oldest: Annotated[str, Meta(description="A delivery.")] | None
    oldest_accepted_at: Time | None


class EndpointDetail(Endpoint, kw_only=True):
    """An endpoint with what waits for it."""

    held: Held


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
