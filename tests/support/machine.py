"""A receiver with its inbox and the clocks of both, for tests of its flow."""

from typing import Any

from receivers.inbox.memory import MemoryInbox
from receivers.receiver import Receiver
from receivers.result import Result
from tests.support.webhooks import SECRET, TIMESTAMP, event_body, signed_headers


class Machine:
    """`seconds` moves both clocks; `seen` are the observed results."""

    def __init__(self, **settings: Any) -> None:
        self.seconds = 0.0
        self.seen: list[Result] = []
        self.inbox = MemoryInbox(now=lambda: self.seconds)
        self.receiver = Receiver(
            SECRET,
            **{"inbox": self.inbox, "observe": self.seen.append, "now": lambda: TIMESTAMP + self.seconds, **settings},
        )

    async def send(self, body: bytes | None = None, *, webhook_id: str = "evt_1", timestamp: int = TIMESTAMP) -> Result:
        """One signed request; the body is that of an `order.placed` unless given."""
        body = event_body() if body is None else body
        return await self.receiver.handle(body, signed_headers(body, webhook_id=webhook_id, timestamp=timestamp))
