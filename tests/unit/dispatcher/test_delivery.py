"""A delivery in hand: what its order says of it, and when."""

from typing import cast

from dispatcher.delivery import Delivery, Progress
from dispatcher.partition import Partition
from gateway import ids
from gateway.model.delivery import Record, State, Trigger
from gateway.model.event import Event
from gateway.store.work import Kind, Order

ADDRESS = ids.Address(1, 2, 3)
EVENT = Event(ADDRESS, "e", "/s", "order.placed", b"12345")
NOWHERE = cast("Partition", None)


def test_the_next_attempt_follows_those_that_were() -> None:
    assert Delivery(ids.DeliveryKey(*ADDRESS, 7), EVENT, NOWHERE).attempt == 1
    record = Record(State.SCHEDULED, attempts=4)
    again = Delivery(ids.DeliveryKey(*ADDRESS, 7), EVENT, NOWHERE, Trigger.SCHEDULE, record)
    assert (again.attempt, again.endpoint, again.running) == (5, 7, False)


def test_who_asked_stays_known_after_the_order_is_gone() -> None:
    delivery = Delivery(ids.DeliveryKey(*ADDRESS, 7), EVENT, NOWHERE, Trigger.REPLAY, order=Order(Kind.FILL, 9))
    delivery.order = None
    assert (delivery.kind, delivery.run) == (Kind.FILL, 9)
    assert (Delivery(ids.DeliveryKey(*ADDRESS, 7), EVENT, NOWHERE).kind, delivery.trigger) == (None, Trigger.REPLAY)


def test_progress_counts_its_payload() -> None:
    progress = Progress(EVENT, [1, 2], 2)
    assert progress.bytes >= len(EVENT.data)
    assert list(progress.later) == []
