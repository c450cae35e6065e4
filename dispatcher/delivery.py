"""A delivery in the dispatcher's hands, from the read or the load until its outcome is settled."""

from collections import deque
from typing import TYPE_CHECKING

from gateway.ids import DeliveryKey
from gateway.model.delivery import Record, State, Trigger
from gateway.model.event import Event
from gateway.store.work import Order

if TYPE_CHECKING:
    from dispatcher.lanes import Queue
    from dispatcher.partition import Partition


class Progress:
    """An event between its read and the recorded mark.

    `remaining` of its deliveries have no record yet; of these, `later` are endpoints that nothing was begun for.
    """

    __slots__ = ("bytes", "endpoints", "event", "later", "remaining")

    def __init__(self, event: Event, endpoints: list[int], remaining: int) -> None:
        self.event, self.endpoints, self.remaining = event, endpoints, remaining
        self.bytes = len(event.data) + 512
        self.later: deque[int] = deque()


class Delivery:
    """One event for one endpoint while something is to be done for it.

    `record` is what the store has, or will have once what is queued is settled; None before the first record.
    `running` from the start of an attempt until its outcome is queued to be settled; `queued` counts the transitions
    that the store has not confirmed. `progress` is set while the event's mark waits for the first record. `order` is
    what a person asked for, until its removal is queued; `kind` and `run` say for good who asked (None and 0: the
    schedule). `chain` is the number of the ordering key that it stands in line for, if it has no record yet that says
    so. `queue` is its endpoint's, once it has begun. `since` is when it began to wait or to run, in monotonic seconds.
    """

    __slots__ = (
        "attempt", "chain", "endpoint", "event", "key", "kind", "order", "partition", "progress",
        "queue", "queued", "record", "run", "running", "since", "started_ms", "trigger",
    )  # fmt: skip

    queue: "Queue"

    def __init__(
        self,
        key: DeliveryKey,
        event: Event,
        partition: "Partition",
        trigger: Trigger = Trigger.FIRST,
        record: Record | None = None,
        progress: Progress | None = None,
        order: Order | None = None,
    ) -> None:
        self.key, self.event, self.partition, self.trigger = key, event, partition, trigger
        self.endpoint = key.endpoint
        self.record, self.progress, self.order = record, progress, order
        self.kind = order.kind if order else None
        self.run = order.run if order else 0
        self.attempt = record.attempts + 1 if record else 1
        self.chain = record.chain if record else 0
        self.running = False
        self.queued = 0
        self.since = 0.0
        self.started_ms = 0

    @property
    def old(self) -> Record:
        """Its record, or what it would be before anything happened."""
        return self.record or Record(State.PENDING, chain=self.chain)
