"""The registry's outbox: operational events that a script decided and that a dispatcher still has to publish.

An entry is written by the script that disables the endpoint, so a crash cannot lose it; it is removed, compared with
what was read, after it was published under `event_id`. A crash between the two publishes it again under the same id,
which the log takes for the same event. An endpoint that is disabled again before its entry was drained raises `count`
of the one entry.
"""

from typing import Any

import msgspec

from gateway.model.endpoint import DisabledReason, LastFailure

ENDPOINT_DISABLED = "hookline.endpoint.disabled"


class EndpointDisabled(msgspec.Struct, frozen=True):
    """An endpoint was disabled by the system; `at_ms` is when, the rest is its health at that time.

    `field` and `raw` name the entry in the outbox.
    """

    endpoint: str
    number: int
    subscriber: str
    reason: DisabledReason
    at_ms: int
    count: int
    consecutive_failures: int
    failing_since_ms: int | None
    last_success_ms: int | None
    last_failure: LastFailure | None
    field: str
    raw: bytes

    @property
    def delivery(self) -> str | None:
        """The delivery whose attempt was the last to fail."""
        return self.last_failure.delivery if self.last_failure else None

    @property
    def event_id(self) -> str:
        """The id of the event that tells it: the same however often this entry is published; without dots."""
        return f"op:{self.delivery or self.number}:endpoint_disabled:{self.at_ms}"


def decode(field: bytes, raw: bytes) -> EndpointDisabled:
    """An entry as health.lua wrote it: 0 and '' stand for none."""
    parts: dict[str, Any] = msgspec.json.decode(raw)
    last = parts["last_failure"]
    return EndpointDisabled(
        endpoint=parts["endpoint"],
        number=parts["number"],
        subscriber=parts["subscriber"],
        reason=parts["reason"],
        at_ms=parts["at_ms"],
        count=parts["count"],
        consecutive_failures=parts["consecutive_failures"],
        failing_since_ms=parts["failing_since_ms"] or None,
        last_success_ms=parts["last_success_ms"] or None,
        last_failure=msgspec.json.decode(last, type=LastFailure) if last else None,
        field=field.decode(),
        raw=raw,
    )
