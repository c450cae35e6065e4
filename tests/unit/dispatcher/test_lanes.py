"""Who goes next: slots, waiting, turns, and that a slow endpoint takes no room from others."""

import pytest

from dispatcher import lanes as module
from dispatcher.delivery import Delivery
from dispatcher.lanes import Lanes
from dispatcher.partition import Found, Partition
from dispatcher.terms import Terms
from gateway import ids
from gateway.model.delivery import Reason
from gateway.model.endpoint import Rate
from gateway.model.event import Event
from gateway.store import keys
from gateway.store.leases import Taken
from tests.support.clock import HandClock

DEFAULT = Terms(2, None, (5, 60), 15, ordered=False, aside=False, hold=Reason.NONE, replays=True)


class Bench:
    """Lanes with a limit of 2, and what they started."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.started: list[Delivery] = []
        self.terms = dict.fromkeys(range(10), DEFAULT)
        self.lanes = Lanes(self.clock, self.started.append, self.terms.__getitem__)
        self.fresh = True
        self.partition = self.own(0)
        self._seq = 0

    def own(self, number: int) -> Partition:
        """A partition of ours."""
        taken = Taken("token", "0-0", "0-0")
        return Partition(keys.PartitionKeys(number, 4), taken, Found({}, {}), lambda: None, lambda: self.fresh)

    def make(self, endpoint: int = 1, partition: Partition | None = None) -> Delivery:
        self._seq += 1
        owned = partition or self.partition
        key = ids.DeliveryKey(1, self._seq, owned.number, endpoint)
        return Delivery(key, Event(key.address, "e", "/s", "t", b""), owned)

    def offer(self, *endpoints: int) -> list[Delivery]:
        made = [self.make(endpoint) for endpoint in endpoints]
        assert all(self.lanes.offer(delivery) for delivery in made)
        return made


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_endpoint_has_so_many_slots_and_others_have_their_own(bench: Bench) -> None:
    one = bench.offer(1, 1, 1)
    (other,) = bench.offer(2)
    assert bench.started == [*one[:2], other]
    assert bench.lanes.waiting == 1
    bench.lanes.finished(one[0])
    assert bench.started[-1] is one[2]
    assert bench.lanes.waiting == 0


def test_the_limit_is_split_by_owned_partitions_and_is_at_least_one(bench: Bench) -> None:
    for owned, share in ((4, 2), (2, 1), (1, 1), (0, 1)):
        bench.lanes.set_share(owned, 4)
        assert bench.lanes.queue(1).share == share


def test_behind_a_durable_lane_nothing_goes_inline(bench: Bench) -> None:
    bench.partition.lane_sizes[1] = 1
    assert not bench.lanes.offer(bench.make(1))
    assert bench.lanes.offer(bench.make(2))


def test_what_waits_too_long_is_taken_out_and_only_of_the_slow_endpoint(bench: Bench) -> None:
    slow = bench.offer(1, 1, 1, 1)
    bench.clock.now += module.WAIT_SECONDS + 0.01
    fresh = bench.offer(2, 2, 2)
    assert bench.lanes.take_slow() == slow[2:]
    assert bench.lanes.waiting == 1
    bench.lanes.finished(fresh[0])
    assert bench.started[-1] is fresh[2]


def test_nothing_begins_on_an_old_lease_and_nothing_is_forgotten(bench: Bench) -> None:
    bench.fresh = False
    made = bench.offer(1)
    assert bench.started == []
    bench.lanes.fill_all()
    assert bench.started == []
    bench.fresh = True
    bench.lanes.fill_all()
    assert bench.started == made


def test_what_was_loaded_and_what_waits_take_turns(bench: Bench) -> None:
    running = bench.offer(1, 1)
    waiting = bench.offer(1, 1)
    loaded = [bench.make(1) for _ in range(2)]
    for delivery in loaded:
        bench.lanes.load(delivery)
    for delivery in (*running, *waiting):
        bench.lanes.finished(delivery)
    turns = bench.started[2:]
    assert sorted(map(id, turns)) == sorted(map(id, [*waiting, *loaded]))
    assert {id(delivery) for delivery in turns[:2]} & {id(delivery) for delivery in loaded}
    assert {id(delivery) for delivery in turns[:2]} & {id(delivery) for delivery in waiting}


def test_a_partition_that_is_given_up_takes_its_deliveries_along(bench: Bench) -> None:
    other = bench.own(1)
    running = bench.offer(1, 1)
    bench.offer(1)
    theirs = bench.make(1, other)
    assert bench.lanes.offer(theirs)
    bench.lanes.take_partition(0)
    assert bench.lanes.waiting == 1
    bench.lanes.finished(running[0])
    assert bench.started == [*running, theirs]


def test_it_says_when_little_is_left_waiting(bench: Bench) -> None:
    calls: list[int] = []
    bench.lanes.on_few = lambda: calls.append(bench.lanes.waiting)
    made = bench.offer(*[1] * (module.FEW_WAITING + 4))
    for delivery in made[:4]:
        bench.lanes.finished(delivery)
    assert calls == [module.FEW_WAITING]


@pytest.mark.parametrize("wanted", [True, False])
def test_a_freed_slot_is_told_where_more_is_wanted(bench: Bench, *, wanted: bool) -> None:
    (delivery,) = bench.offer(1)
    bench.lanes.wanting = {1} if wanted else {2}
    bench.lanes.freed.clear()
    bench.lanes.finished(delivery)
    assert bench.lanes.freed.is_set() is wanted


def test_what_is_stuck_is_taken_out_sooner_than_what_is_slow(bench: Bench) -> None:
    looks = module.STUCK_LOOKS
    made, moving = bench.offer(*[1] * 5), bench.offer(*[2] * (looks + 2))
    for delivery in moving[: looks - 1]:
        assert bench.lanes.take_stuck() == []
        bench.lanes.finished(delivery)
    assert bench.lanes.take_stuck() == made[2:]
    assert bench.lanes.waiting == 1
    assert bench.lanes.take_slow() == []


def test_each_endpoint_has_its_own_limit(bench: Bench) -> None:
    bench.terms[3] = DEFAULT._replace(max_in_flight=4)
    bench.offer(*[3] * 6)
    assert len(bench.started) == 4


def test_a_rate_lets_its_burst_go_and_then_what_time_brings(bench: Bench) -> None:
    bench.terms[1] = DEFAULT._replace(max_in_flight=100, rate=Rate(10.0, 3))
    made = bench.offer(*[1] * 8)
    assert bench.started == made[:3]
    for passed, started in ((0.05, 3), (0.06, 4), (0.2, 6), (60.0, 8)):
        bench.clock.now += passed
        bench.lanes.fill_all()
        assert len(bench.started) == started


def test_the_rate_is_split_by_owned_partitions(bench: Bench) -> None:
    bench.lanes.set_share(1, 2)
    bench.terms[1] = DEFAULT._replace(max_in_flight=100, rate=Rate(10.0, 4))
    bench.offer(*[1] * 8)
    assert len(bench.started) == 2
    bench.clock.now += 0.21
    bench.lanes.fill_all()
    assert len(bench.started) == 3


def test_an_overloaded_endpoint_gets_half_as_many_at_a_time_and_successes_bring_them_back(bench: Bench) -> None:
    bench.terms[1] = DEFAULT._replace(max_in_flight=8)
    made = bench.offer(*[1] * 8)
    for delivery in made:
        bench.lanes.finished(delivery)
        bench.lanes.heed(bench.lanes.queue(1), success=False, slower=True)
    assert bench.lanes.free(1) == 4, "what was in flight together asks once"
    for _ in range(40):
        bench.lanes.heed(bench.lanes.queue(1), success=True, slower=False)
    assert bench.lanes.free(1) == 8


def test_what_is_held_is_not_offered_and_comes_back_slowly(bench: Bench) -> None:
    bench.terms[1] = DEFAULT._replace(max_in_flight=8)
    assert bench.lanes.renew(1) == (Reason.NONE, Reason.NONE)
    assert bench.lanes.free(1) == 8
    bench.terms[1] = bench.terms[1]._replace(hold=Reason.PAUSED)
    assert bench.lanes.renew(1) == (Reason.NONE, Reason.PAUSED)
    assert not bench.lanes.offer(bench.make(1))
    bench.terms[1] = bench.terms[1]._replace(hold=Reason.NONE)
    assert bench.lanes.renew(1) == (Reason.PAUSED, Reason.NONE)
    free = []
    for _ in range(8):
        free.append(bench.lanes.free(1))
        bench.lanes.heed(bench.lanes.queue(1), success=True, slower=False)
    assert free == [1, 2, 3, 4, 5, 6, 7, 8]
