"""Who stands in line: busy, parked, stored; and who may go."""

from dispatcher.chains import Chains, Watch
from dispatcher.delivery import Delivery
from dispatcher.partition import Found, Partition
from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.model.event import Event
from gateway.store import keys
from gateway.store.leases import Taken
from gateway.store.schedule import ChainId

LINE = ChainId(1, 5)
WAITS = Record(State.HELD, Reason.ORDER, chain=5)
FAILED = Record(State.SCHEDULED, attempts=1, due_ms=9, chain=5)
DONE = Record(State.DELIVERED, attempts=1)
TAKEN = Taken("token", "0-0", "0-0")
PARTITION = Partition(keys.PartitionKeys(0, 1), TAKEN, Found({}, {}), lambda: None, lambda: True)


def made(seq: int, record: Record | None = None, chain: int = 5) -> Delivery:
    address = ids.Address(1_000, seq, 0)
    event = Event(address, address.event_id, "/t", "order.placed", b"{}")
    delivery = Delivery(ids.DeliveryKey(*address, 1), event, PARTITION, record=record)
    delivery.chain = chain
    delivery.since = float(seq)
    return delivery


def change(chains: Chains, delivery: Delivery, after: Record) -> None:
    """A transition is queued."""
    chains.note(delivery, delivery.record, after)
    delivery.record = after
    delivery.queued += 1


def confirm(chains: Chains, delivery: Delivery) -> bool:
    """It is settled; whether the next one can go."""
    delivery.queued -= 1
    return chains.settled(delivery) is not None


def test_one_at_a_time_is_busy() -> None:
    chains, one, two = Chains({}), made(1), made(2)
    assert chains.is_first(one)
    assert chains.begin(one)
    assert chains.begin(one)
    assert not chains.is_first(two)
    assert not chains.begin(two)
    assert chains.begin(made(3, chain=0)), "what has no key stands in no line"
    assert chains.begin(made(4, chain=6)), "nor what has another"


def test_the_next_goes_once_the_store_has_confirmed_and_an_empty_line_is_forgotten() -> None:
    chains, one, two = Chains({}), made(1), made(2)
    chains.begin(one)
    chains.park(two)
    change(chains, one, DONE)
    assert not chains.begin(two)
    assert confirm(chains, one)
    chain = chains.find(LINE)
    assert chain is not None
    assert chains.next_parked(chain) is two
    assert chains.parked == 0
    chains.begin(two)
    change(chains, two, DONE)
    assert not confirm(chains, two)
    assert chains.find(LINE) is None


def test_what_runs_stays_busy_when_it_is_recorded_meanwhile() -> None:
    chains, one = Chains({}), made(1)
    chains.begin(one)
    one.running = True
    change(chains, one, Record(State.PENDING, chain=5))
    assert not confirm(chains, one)
    assert not chains.begin(made(2))


def test_who_has_failed_stands_first_and_the_others_are_ready_behind_it() -> None:
    chains, one, two = Chains({}), made(1), made(2)
    chains.begin(one)
    change(chains, one, FAILED)
    assert confirm(chains, one)
    assert list(chains.ready) == [LINE]
    assert not chains.is_first(two)
    assert chains.behind.total() == 0
    change(chains, two, WAITS)
    assert chains.behind[1] == 1


def test_a_failure_that_steps_aside_leaves_the_line() -> None:
    chains, one, two = Chains({}), made(1), made(2)
    chains.begin(one)
    chains.park(two)
    change(chains, one, Record(State.SCHEDULED, attempts=1, due_ms=9))
    assert confirm(chains, one)
    chain = chains.find(LINE)
    assert chain is not None
    assert chain.stored == 0


def test_nobody_goes_while_a_change_of_the_line_is_unsettled() -> None:
    """Somebody sent the first one by hand: it has left the line here, and not yet in the store."""
    chains, one, two = Chains({LINE: 1}), made(1, FAILED), made(2)
    change(chains, one, DONE)
    chains.park(two)
    chain = chains.find(LINE)
    assert chain is not None
    assert [chain.unsettled, confirm(chains, one), chain.unsettled] == [True, True, False]
    assert chains.next_parked(chain) is two


def test_a_taken_line_is_ready_and_counted() -> None:
    chains = Chains({LINE: 3, ChainId(1, 6): 1, ChainId(2, 5): 2})
    assert len(chains.ready) == 3
    assert dict(chains.behind) == {1: 2, 2: 1}
    assert not chains.is_first(made(9))
    chains.ready.clear()
    chains.put_back([LINE, ChainId(8, 8)])
    assert list(chains.ready) == [LINE]


def test_what_was_parked_for_too_long_comes_with_all_behind_it() -> None:
    chains, others = Chains({}), [made(n) for n in (1, 2, 8)]
    later = made(7, chain=6)
    assert chains.take_slow(5.0) == []
    chains.begin(made(0))
    chains.begin(made(0, chain=6))
    for one in (*others, later):
        chains.park(one)
    assert chains.take_slow(5.0) == others
    assert chains.parked == 1
    chains.forget_parked()
    assert chains.parked == 0


def test_who_was_first_and_left_without_our_doing_lets_the_next_one_go() -> None:
    chains = Chains({LINE: 2})
    chains.ready.clear()
    chains.watch(LINE, Watch(made(1).key, 99))
    chains.passed_by(LINE, 0, by=True)
    assert list(chains.ready) == [LINE]
    assert chains.watched == {}
    assert chains.behind.total() == 0
    chains.passed_by(LINE, 0, by=False)
    assert chains.find(LINE) is None


def test_it_is_not_believed_when_something_changed_or_the_line_was_deleted() -> None:
    chains, one = Chains({LINE: 2}), made(3)
    chains.watch(LINE, Watch(made(1).key, 99))
    chains.passed_by(LINE, 0, by=False)
    assert chains.behind[1] == 1, "nobody stands where two should: it will be made again"
    change(chains, one, WAITS)
    assert chains.watched == {}
    chains.passed_by(LINE, 0, by=True)
    assert chains.behind[1] == 2
    chains.watch(ChainId(8, 8), Watch(one.key, 1))
    assert chains.watched == {}
