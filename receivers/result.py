"""What a receiver decided about one request, and how it says so in HTTP.

| outcome | status | meaning for the sender |
|---|---|---|
| `handled` | 200 | every handler ran to its end and the inbox knows it |
| `duplicate` | 200 | handled before; nothing ran |
| `ignored` | 200 | genuine, but nothing here wants this event type |
| `refused` | 401, 400, 405, 413 | not proven, or not an event: the code says why |
| `in_progress` | 409 | another request of the same id is being handled; come again |
| `claim_lost` | 409 | the handlers took longer than the lease and somebody else took over; come again |
| `failed` | 500 | a handler raised; the id is free again |
| `unavailable` | 503 | the inbox does not answer; nothing was claimed, or the outcome could not be recorded |

Only 2xx ends the sender's retries.
"""

import json
from dataclasses import dataclass
from enum import StrEnum

from receivers.event import Event


class Outcome(StrEnum):
    """Closed set; see the module."""

    HANDLED = "handled"
    DUPLICATE = "duplicate"
    IGNORED = "ignored"
    REFUSED = "refused"
    IN_PROGRESS = "in_progress"
    CLAIM_LOST = "claim_lost"
    FAILED = "failed"
    UNAVAILABLE = "unavailable"


_STATUS = {
    Outcome.HANDLED: 200,
    Outcome.DUPLICATE: 200,
    Outcome.IGNORED: 200,
    Outcome.REFUSED: 401,
    Outcome.IN_PROGRESS: 409,
    Outcome.CLAIM_LOST: 409,
    Outcome.FAILED: 500,
    Outcome.UNAVAILABLE: 503,
}
_REFUSED_STATUS = {"payload_invalid": 400, "method_not_allowed": 405, "body_too_large": 413}


@dataclass(frozen=True, slots=True)
class Result:
    """`event` is None when the request was refused. `code` and `detail` explain everything but `handled`."""

    outcome: Outcome
    event: Event | None = None
    code: str | None = None
    detail: str | None = None

    @property
    def status(self) -> int:
        """HTTP status."""
        if self.outcome is Outcome.REFUSED and self.code is not None:
            return _REFUSED_STATUS.get(self.code, 401)
        return _STATUS[self.outcome]

    @property
    def accepted(self) -> bool:
        """Whether the sender is told to stop sending this."""
        return self.status < 300

    def body(self) -> bytes:
        """JSON `{"result", "id"?, "code"?, "detail"?}`."""
        members = {"result": self.outcome.value}
        if self.event is not None:
            members["id"] = self.event.id
        if self.code is not None:
            members["code"] = self.code
        if self.detail is not None:
            members["detail"] = self.detail
        return json.dumps(members, separators=(",", ":")).encode()


def refused(code: str, detail: str) -> Result:
    """A request that is not handled because of what it is."""
    return Result(Outcome.REFUSED, None, code, detail)
