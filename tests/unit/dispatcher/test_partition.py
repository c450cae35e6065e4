"""What waits for its record, what is settled together, and when a partition is given up."""

from typing import Any

import pytest

from dispatcher import outcome
from dispatcher.delivery import Delivery
from dispatcher.partition import BATCH_ITEMS, Found, Partition
from gateway import ids
from gateway.model.delivery import OPEN_STATES, Reason, Record, State
from gateway.model.event import Event
from gateway.store import deliveries, keys, work
from gateway.store.leases import Taken

DELIVERED = Record(State.DELIVERED, attempts=1, status=200, changed_ms=1)
SCHEDULED = Record(State.SCHEDULED, attempts=1, status=500, due_ms=9, changed_ms=1)


class Bench:
    """A partition, and what it said."""

    def __init__(
        self, recorded: dict[ids.DeliveryKey, Record] | None = None, lanes: dict[int, int] | None = None
    ) -> None:
        self.woken, self.fresh = 0, True
        taken = Taken("token", deliveries.START, "9-0")
        self.partition = Partition(
            keys.PartitionKeys(0, 4), taken, Found(recorded or {}, lanes or {}), self.wake, lambda: self.fresh
        )

    def wake(self) -> None:
        self.woken += 1

    def read(self, ms: int, *matched: int, size: int = 10) -> list[Delivery]:
        """An event, and its deliveries that have no record."""
        address = ids.Address(ms, 0, 0)
        event = Event(address, address.event_id, "/t", "order.placed", b"x" * size)
        progress, missing = self.partition.track(event, list(matched))
        return [
            Delivery(ids.DeliveryKey(*address, number), event, self.partition, progress=progress) for number in missing
        ]

    def settle(self, code: str = "K", outcomes: str | None = None) -> deliveries.Settle:
        """Make the next call and take its answer."""
        call = self.partition.call()
        sent = "1" * len(self.partition._sent) if outcomes is None else outcomes
        self.partition.settled(deliveries.Settled(code, sent))
        return call


def items(call: deliveries.Settle) -> list[Any]:
    """The packed keys of a call's transitions."""
    return call._items[::9]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_the_mark_passes_an_event_once_all_its_deliveries_have_a_record(bench: Bench) -> None:
    first, second = bench.read(5, 1, 2)
    bench.partition.transition(first, DELIVERED)
    assert bench.settle().mark_after == deliveries.START
    bench.partition.transition(second, DELIVERED)
    assert bench.settle().mark_after == "5-0"
    assert bench.partition.mark == "5-0"
    assert not bench.partition.has_work()


def test_the_mark_waits_for_the_oldest_event(bench: Bench) -> None:
    (old,), (new,) = bench.read(5, 1), bench.read(6, 1)
    bench.partition.transition(new, DELIVERED)
    assert bench.settle().mark_after == deliveries.START
    bench.partition.transition(old, DELIVERED)
    assert bench.settle().mark_after == "6-0"


def test_an_event_that_nobody_gets_wakes_and_passes(bench: Bench) -> None:
    assert bench.read(5) == []
    assert bench.woken == 1
    assert bench.partition.has_work()
    assert bench.settle().mark_after == "5-0"


def test_a_second_change_neither_passes_nor_counts_again(bench: Bench) -> None:
    one, other = bench.read(5, 1, 2)
    for record in (Record(State.PENDING, changed_ms=1), SCHEDULED, DELIVERED):
        bench.partition.transition(one, record)
        assert bench.settle().mark_after == deliveries.START
    bench.partition.transition(other, DELIVERED)
    assert bench.settle().mark_after == "5-0"


def test_records_that_are_there_already_are_neither_missing_nor_lost() -> None:
    key = ids.DeliveryKey(5, 0, 0, 3)
    bench = Bench({key: DELIVERED})
    (missing,) = bench.read(5, 1)
    assert missing.endpoint == 1
    bench.partition.transition(missing, DELIVERED)
    call = bench.settle()
    assert call._passed == ["5-0", b"\0\0\0\1\0\0\0\3"]


def test_a_call_is_the_same_until_it_is_answered(bench: Bench) -> None:
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, DELIVERED)
    call = bench.partition.call()
    (two,) = bench.read(6, 1)
    bench.partition.transition(two, DELIVERED)
    assert bench.partition.call() is call
    assert items(call) == [one.key.packed()]
    assert bench.partition.queued == 1


def test_two_changes_of_one_delivery_go_in_two_calls_and_in_order(bench: Bench) -> None:
    one, two = bench.read(5, 1, 2)
    bench.partition.transition(one, Record(State.PENDING, changed_ms=1))
    bench.partition.transition(one, DELIVERED)
    bench.partition.transition(two, DELIVERED)
    assert items(bench.settle()) == [one.key.packed()]
    assert one.key in bench.partition.in_hand
    assert items(bench.settle()) == [one.key.packed(), two.key.packed()]
    assert bench.partition.in_hand == {}


def test_a_call_is_bounded_in_items_and_in_bytes(bench: Bench) -> None:
    for delivery in bench.read(5, *range(1, 301)):
        bench.partition.transition(delivery, DELIVERED, b"a" * 10)
    assert [len(items(bench.settle())) for _ in range(3)] == [BATCH_ITEMS, BATCH_ITEMS, 300 - 2 * BATCH_ITEMS]
    for delivery in bench.read(6, *range(1, 101)):
        bench.partition.transition(delivery, DELIVERED, b"a" * 6_000)
    sizes = []
    while bench.partition.queued:
        sizes.append(bench.settle().bytes)
    assert max(sizes) <= deliveries.MAX_BYTES // 2 + 6_000


def test_a_wide_event_is_indexed_in_pieces_and_passed_with_the_last(bench: Bench) -> None:
    for delivery in bench.read(5, *range(1, 601)):
        bench.partition.transition(delivery, DELIVERED)
    while bench.partition.queued:
        assert bench.settle().mark_after == deliveries.START or not bench.partition.queued
    calls = []
    while bench.partition.has_work():
        calls.append(bench.settle())
    assert calls[-1].mark_after == "5-0"
    assert all(len(call._entries) <= 2 for call in calls)


def test_attempts_are_timed_with_a_change_and_never_alone(bench: Bench) -> None:
    bench.partition.timings["count"] += 1
    assert not bench.partition.has_work()
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, DELIVERED)
    assert bench.settle()._timings == ["count", 1]
    assert not bench.partition.timings


@pytest.mark.parametrize(("code", "outcomes"), [("T", "0"), ("M", "1"), ("K", "0")])
def test_the_first_contradiction_gives_the_partition_up(bench: Bench, code: str, outcomes: str) -> None:
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, DELIVERED)
    bench.settle(code, outcomes)
    assert bench.partition.lost
    assert not bench.partition.may_start()
    assert bench.partition.mark == deliveries.START


def test_a_change_that_was_made_before_is_no_contradiction(bench: Bench) -> None:
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, DELIVERED)
    bench.settle("K", "2")
    assert not bench.partition.lost


def test_after_the_release_nothing_passes_and_nothing_contradicts(bench: Bench) -> None:
    one, two = bench.read(5, 1, 2)
    bench.partition.transition(one, Record(State.PENDING, due_ms=9, changed_ms=1))
    bench.partition.transition(two, DELIVERED)
    bench.settle()
    (later,) = bench.read(6, 1)
    bench.partition.released = True
    bench.partition.transition(one, DELIVERED, b"attempt")
    bench.partition.transition(later, DELIVERED, b"attempt")
    call = bench.settle("T", "10")
    assert call.mark_after == call.mark == "5-0"
    assert call._items[8::9] == ["o", "o"]
    assert not bench.partition.lost


def test_after_the_release_nothing_changes_but_by_an_attempt(bench: Bench) -> None:
    """A load that was under way during the hand-over must not put anything off that is another's by now."""
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, SCHEDULED)
    bench.settle()
    bench.partition.released = True
    loaded = Delivery(one.key, one.event, bench.partition, record=SCHEDULED)
    bench.partition.transition(loaded, outcome.waiting(SCHEDULED, 9))
    assert not bench.partition.has_work()
    assert bench.partition.in_hand == {}


@pytest.mark.parametrize("attribute", ["lost", "released", "reading_stopped"])
def test_attempts_start_in_a_partition_that_is_ours_and_fresh(bench: Bench, attribute: str) -> None:
    assert bench.partition.may_start()
    bench.fresh = False
    assert not bench.partition.may_start()
    bench.fresh = True
    setattr(bench.partition, attribute, True)
    assert not bench.partition.may_start()


def test_bytes_are_held_from_the_read_until_the_event_has_passed(bench: Bench) -> None:
    (one,) = bench.read(5, 1, size=1_000)
    assert bench.partition.bytes >= 1_000
    bench.partition.transition(one, DELIVERED)
    bench.settle()
    assert bench.partition.bytes == 0


def test_lanes_are_counted_by_what_the_records_will_be() -> None:
    bench = Bench(lanes={1: 2})
    (one,) = bench.read(5, 1)
    bench.partition.transition(one, outcome.waiting(one.old, 77))
    assert bench.partition.lane_sizes[1] == 3
    bench.partition.transition(one, DELIVERED)
    assert bench.partition.lane_sizes[1] == 2


def test_a_delivery_is_in_hand_until_its_last_change_is_settled(bench: Bench) -> None:
    (one,) = bench.read(5, 1)
    one.running = True
    bench.partition.transition(one, outcome.waiting(one.old, 77))
    bench.settle()
    assert one.key in bench.partition.in_hand, "its attempt runs"
    one.running = False
    bench.partition.transition(one, DELIVERED)
    bench.settle()
    assert bench.partition.in_hand == {}


def ordered(bench: Bench, record: Record | None, kind: work.Kind, run: int = 0) -> Delivery:
    key = ids.DeliveryKey(5, 0, 0, 1, run)
    event = Event(key.address, "e", "/t", "order.placed", b"")
    return Delivery(key, event, bench.partition, record=record, order=work.Order(kind, run))


@pytest.mark.parametrize("attempt", [b"", b"a"])
@pytest.mark.parametrize("running", [True, False])
def test_a_replay_has_sent_what_led_to_an_attempt(bench: Bench, attempt: bytes, *, running: bool) -> None:
    delivery = ordered(bench, None, work.Kind.AGAIN, 3)
    delivery.running = running
    bench.partition.transition(delivery, DELIVERED, attempt)
    flags = bench.partition.call()._items[8]
    assert flags == ("ws" if attempt or running else "w")
    assert bench.partition.call()._items[7] != 0, "it is filed as late"
    assert (delivery.order, delivery.kind, delivery.run) == (None, work.Kind.AGAIN, 3)


@pytest.mark.parametrize("why", [Reason.ENDPOINT_DISABLED, Reason.EXPIRED, Reason.POISON])
@pytest.mark.parametrize("before", [None, Record(State.PENDING), SCHEDULED, DELIVERED, Record(State.SKIPPED)])
def test_what_is_declined_ends_if_it_was_open(bench: Bench, before: Record | None, why: Reason) -> None:
    delivery = ordered(bench, before, work.Kind.MANUAL)
    bench.partition.decline(delivery, why, 77)
    record = delivery.record
    assert record is not None
    open_before = before is None or before.state in OPEN_STATES
    assert record.state not in OPEN_STATES
    assert (record.reason == why) is open_before
    flags = str(bench.partition.call()._items[8])
    assert ("d" in flags) is (open_before and why is Reason.POISON)


@pytest.mark.parametrize(("event_type", "told"), [("order.placed", True), ("hookline.delivery.dead", False)])
def test_dead_letters_of_our_own_events_are_not_told(bench: Bench, event_type: str, *, told: bool) -> None:
    event = Event(ids.Address(5, 0, 0), "e", "/t", event_type, b"")
    delivery = Delivery(ids.DeliveryKey(5, 0, 0, 1), event, bench.partition, record=SCHEDULED)
    dead = Record(State.DEAD, Reason.EXHAUSTED)
    assert bench.partition.dies(delivery, dead) is told
    assert not bench.partition.dies(delivery, DELIVERED)
    delivery.record = dead
    assert not bench.partition.dies(delivery, dead)


def test_an_order_is_forgotten_without_changing_more_than_the_time(bench: Bench) -> None:
    delivery = ordered(bench, DELIVERED, work.Kind.FILL, 2)
    bench.partition.forget_order(delivery, 0)
    record = delivery.record
    assert record is not None
    assert (record.state, record.attempts, record.changed_ms) == (State.DELIVERED, 1, 2)
    assert bench.partition.call()._items[8] == "w"
