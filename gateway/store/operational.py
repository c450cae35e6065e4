"""The registry's outbox: operational events that a script decided and that a dispatcher still has to publish.

| entry | written by | when |
|---|---|---|
| `EndpointDisabled` | health.lua | the system disables an endpoint |
| `EndpointFailing` | health.lua | `first_dead`: its first dead letter since it was last healthy |
| | | `half_time`: half of the time until it is disabled is over; each once until it succeeds again |
| `EndpointEnabled` | probed.lua | a probe of an endpoint that was disabled as failing succeeded |

An entry is written by the script that makes it true, so a crash cannot lose it; it is removed, compared with what was
read, after it was published under `event_id`. A crash between the two publishes it again under the same id, which the
log takes for the same event. An endpoint that is disabled again before its entry was drained raises `count` of the one
entry; of the others each has a field of its own.
"""

from typing import Any, ClassVar, Literal

import msgspec

from gateway.model.endpoint import DisabledReason, LastFailure

FailingReason = Literal["first_dead", "half_time"]


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What every entry has: `at_ms` is when it happened; `field` and `raw` name the entry in the outbox."""

    event_type: ClassVar[str]
    kind: ClassVar[str]
    endpoint: str
    number: int
    subscriber: str
    at_ms: int
    field: str
    raw: bytes


class _Failed(_Entry, frozen=True, kw_only=True):
    """An entry about failures."""

    consecutive_failures: int
    failing_since_ms: int | None
    last_failure: LastFailure | None

    @property
    def delivery(self) -> str | None:
        """The delivery whose attempt was the last to fail."""
        return self.last_failure.delivery if self.last_failure else None


class EndpointDisabled(_Failed, frozen=True, kw_only=True):
    """An endpoint was disabled by the system; the rest is its health at that time."""

    event_type: ClassVar[str] = "hookline.endpoint.disabled"
    kind: ClassVar[str] = "endpoint_disabled"
    reason: DisabledReason
    count: int
    last_success_ms: int | None

    @property
    def event_id(self) -> str:
        """The id of the event that tells it: the same however often this entry is published; without dots."""
        return f"op:{self.delivery or self.number}:{self.kind}:{self.at_ms}"


class EndpointFailing(_Failed, frozen=True, kw_only=True):
    """An endpoint goes on failing and will be disabled at `disables_at_ms` unless it succeeds before."""

    event_type: ClassVar[str] = "hookline.endpoint.failing"
    kind: ClassVar[str] = "endpoint_failing"
    reason: FailingReason
    disables_at_ms: int

    @property
    def event_id(self) -> str:
        """One for each reason and period of failing."""
        return f"op:{self.delivery or self.number}:{self.kind}:{self.reason}:{self.failing_since_ms}"


class EndpointEnabled(_Entry, frozen=True, kw_only=True):
    """An endpoint that was disabled as failing since `disabled_ms` is enabled again: `delivery` got through to it."""

    event_type: ClassVar[str] = "hookline.endpoint.enabled"
    kind: ClassVar[str] = "endpoint_enabled"
    disabled_ms: int
    failing_since_ms: int | None
    delivery: str

    @property
    def event_id(self) -> str:
        """One for each time that it was disabled."""
        return f"op:{self.delivery}:{self.kind}:{self.disabled_ms}"


Entry = EndpointDisabled | EndpointFailing | EndpointEnabled
_KINDS: dict[str, type[Entry]] = {kind.kind: kind for kind in (EndpointDisabled, EndpointFailing, EndpointEnabled)}


def decode(field: bytes, raw: bytes) -> Entry:
    """An entry as the scripts write it: 0 and '' stand for none."""
    parts: dict[str, Any] = msgspec.json.decode(raw)
    for name in ("failing_since_ms", "last_success_ms"):
        if name in parts:
            parts[name] = parts[name] or None
    if "last_failure" in parts:
        last = parts["last_failure"]
        parts["last_failure"] = msgspec.json.decode(last, type=LastFailure) if last else None
    name = field.decode()
    return _KINDS[name.split(":")[1]](**parts, field=name, raw=raw)
