"""Who goes next: one queue per endpoint, over all partitions of this dispatcher.

A delivery from the log is attempted at once if its endpoint has a free slot and nothing of it waits, here or in a
durable lane. Otherwise it waits in memory, briefly: after `WAIT_SECONDS` the endpoint counts as slow and what waits is
recorded in its durable lane. What the store has anyway (lanes, due deliveries, orders) is loaded as slots come free, so
that a slow endpoint takes no room from others.

An endpoint's slots are its in-flight limit times the share of partitions that we own, at least 1; its rate is shared in
the same way. An answer that says "slower" halves its window, successes open it again; after a pause or an outage the
window starts at 1, so that a backlog does not hit a receiver that has just come back.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf

from dispatcher.delivery import Delivery
from dispatcher.terms import Terms
from gateway.clock import Clock
from gateway.model.delivery import Reason

WAIT_SECONDS = 0.25
FEW_WAITING = 128
NARROW_SECONDS = 1.0
STUCK_LOOKS = 8


class Queue:
    """What one endpoint has here: `waiting` from the log, `loaded` from the store."""

    __slots__ = (
        "calm", "filled_at", "freed", "in_flight", "loaded", "loaded_turn", "looks", "narrowed_at", "number", "share",
        "terms", "tokens", "waiting", "window",
    )  # fmt: skip

    def __init__(self, number: int, terms: Terms) -> None:
        self.number, self.terms = number, terms
        self.in_flight = 0
        self.share = 1
        self.window = self.calm = inf
        self.tokens = 0.0
        self.filled_at = self.narrowed_at = -inf
        self.freed = self.looks = 0
        self.waiting: deque[Delivery] = deque()
        self.loaded: deque[Delivery] = deque()
        self.loaded_turn = False

    def next(self) -> deque[Delivery]:
        """Where the next delivery comes from, both in turns; empty when nothing is left."""
        first, second = (self.loaded, self.waiting) if self.loaded_turn else (self.waiting, self.loaded)
        self.loaded_turn = not self.loaded_turn
        return first or second

    def slots(self) -> int:
        """How many more attempts may be in flight."""
        return (self.share if self.window >= self.share else int(self.window)) - self.in_flight

    def narrow(self, now: float) -> None:
        """The receiver asked for less. What was in flight together asks once."""
        if now - self.narrowed_at >= NARROW_SECONDS:
            self.window = self.calm = max(1.0, min(self.window, self.in_flight + 1) / 2)
            self.narrowed_at = now

    def widen(self) -> None:
        """A success: twice as many per round trip up to where it was calm, then one more."""
        self.window += 1.0 if self.window < self.calm else 1.0 / self.window
        if self.window >= self.share:
            self.window = self.calm = inf


class Lanes:
    """The queues of all endpoints; `start` begins an attempt and must not fail, `terms` says what holds for one."""

    def __init__(self, clock: Clock, start: Callable[[Delivery], None], terms: Callable[[int], Terms]) -> None:
        self._clock, self._start, self._terms = clock, start, terms
        self._queues: dict[int, Queue] = {}
        self._busy: set[int] = set()
        self._fraction = 1.0
        self.waiting = 0
        self.wanting: set[int] = set()
        """Endpoints of which the store has more than was loaded for want of slots."""
        self.freed = asyncio.Event()
        self.on_few: Callable[[], None] = lambda: None

    def set_share(self, owned: int, partitions: int) -> None:
        """Split the limits by owned partitions."""
        if self._fraction != owned / partitions:
            self._fraction = owned / partitions
            for queue in self._queues.values():
                self._split(queue)

    def _split(self, queue: Queue) -> None:
        queue.share = max(1, int(queue.terms.max_in_flight * self._fraction))

    def queue(self, number: int) -> Queue:
        """The queue of an endpoint."""
        queue = self._queues.get(number)
        if queue is None:
            queue = self._queues[number] = Queue(number, self._terms(number))
            self._split(queue)
        elif queue.terms.off is Reason.ENDPOINT_DELETED:
            # nobody says that an endpoint which was not known is known now
            queue.terms = self._terms(number)
            self._split(queue)
        return queue

    def hold(self, number: int) -> Reason:
        """Why live deliveries of an endpoint are held now; NONE if they are not."""
        return self.queue(number).terms.hold

    def renew(self, number: int) -> tuple[Reason, Reason]:
        """Something changed about an endpoint: take its terms anew; why it was held, and why it is."""
        queue = self._queues.get(number)
        if queue is None:
            return Reason.NONE, self._terms(number).hold
        before, queue.terms = queue.terms.hold, self._terms(number)
        self._split(queue)
        self.freed.set()
        if before and not queue.terms.hold:
            queue.window, queue.calm = 1.0, inf
        if not queue.terms.hold:
            self.fill(queue)
        return before, queue.terms.hold

    def free(self, number: int) -> int:
        """How many more deliveries of an endpoint could be taken in hand now."""
        queue = self.queue(number)
        slots = queue.slots()
        if queue.terms.rate is not None:
            slots = min(slots, int(self._tokens(queue)))
        return slots - len(queue.loaded)

    def _tokens(self, queue: Queue) -> float:
        """How many attempts the rate allows now: this dispatcher's share of a token bucket."""
        rate = queue.terms.rate
        if rate is None:
            return inf
        now = self._clock.monotonic()
        full = max(1.0, rate.burst * self._fraction)
        queue.tokens = min(full, queue.tokens + (now - queue.filled_at) * rate.per_second * self._fraction)
        queue.filled_at = now
        return queue.tokens

    def offer(self, delivery: Delivery) -> bool:
        """Attempt now or wait; False when the delivery must be recorded instead: in its lane, or held."""
        queue = self.queue(delivery.endpoint)
        partition = delivery.partition
        if partition.lane_sizes[delivery.endpoint] > 0 or queue.terms.hold:
            return False
        partition.in_hand[delivery.key] = delivery
        if delivery.progress is not None:
            partition.unrecorded[delivery.key] = delivery
        if not queue.waiting and self._may_begin(queue) and partition.may_start():
            self._begin(queue, delivery)
        else:
            delivery.since = self._clock.monotonic()
            queue.waiting.append(delivery)
            self._busy.add(queue.number)
            self.waiting += 1
        return True

    def load(self, delivery: Delivery) -> None:
        """Take a delivery that the store already has: in a lane, due, or ordered."""
        queue, partition = self.queue(delivery.endpoint), delivery.partition
        if partition.lost or partition.released:
            return
        partition.in_hand[delivery.key] = delivery
        queue.loaded.append(delivery)
        self._busy.add(queue.number)
        self.fill(queue)

    def _may_begin(self, queue: Queue) -> bool:
        return queue.slots() > 0 and (queue.terms.rate is None or self._tokens(queue) >= 1.0)

    def _begin(self, queue: Queue, delivery: Delivery) -> None:
        queue.in_flight += 1
        if queue.terms.rate is not None:
            queue.tokens -= 1.0
        delivery.running, delivery.queue = True, queue
        delivery.since = self._clock.monotonic()
        self._start(delivery)

    def finished(self, delivery: Delivery) -> None:
        """The answer of an attempt is in: its slot is free."""
        queue = delivery.queue
        queue.in_flight -= 1
        queue.freed += 1
        if queue.number in self.wanting:
            self.freed.set()
        self.fill(queue)

    def heed(self, queue: Queue, *, success: bool, slower: bool) -> None:
        """Fit an endpoint's window to what it answered."""
        if slower:
            queue.narrow(self._clock.monotonic())
        elif success and queue.window != inf:
            queue.widen()
            self.fill(queue)

    def fill(self, queue: Queue) -> None:
        """Begin attempts while slots are free."""
        while (queue.waiting or queue.loaded) and self._may_begin(queue):
            source = queue.next()
            delivery = source.popleft()
            if source is queue.waiting:
                self.waiting -= 1
                if self.waiting == FEW_WAITING:
                    self.on_few()
            if delivery.partition.released or delivery.partition.lost:
                continue
            if not delivery.partition.may_start():
                source.appendleft(delivery)
                self.waiting += source is queue.waiting
                self._busy.add(queue.number)
                return
            self._begin(queue, delivery)

    def fill_all(self) -> None:
        """Begin what can be begun everywhere: as time brings tokens, after a beat, or when the share grew."""
        for number in list(self._busy):
            queue = self._queues[number]
            self.fill(queue)
            if not queue.waiting and not queue.loaded:
                self._busy.discard(number)

    def take_slow(self) -> list[Delivery]:
        """Take out, of each endpoint whose oldest has waited here for too long, all that waits."""
        now = self._clock.monotonic()
        slow: list[Delivery] = []
        for number in list(self._busy):
            queue = self._queues[number]
            if queue.waiting and now - queue.waiting[0].since > WAIT_SECONDS:
                slow += self._take(queue.waiting)
        return slow

    def take_stuck(self) -> list[Delivery]:
        """Take out what waits for endpoints that freed no slot in several looks: others are to be read meanwhile.

        Looks, not seconds: between two of them every answer that has come was taken, however busy this process is.
        """
        stuck: list[Delivery] = []
        for number in list(self._busy):
            queue = self._queues[number]
            queue.looks = 0 if queue.freed or not queue.waiting else queue.looks + 1
            queue.freed = 0
            if queue.looks >= STUCK_LOOKS:
                queue.looks = 0
                stuck += self._take(queue.waiting)
        return stuck

    def take_all(self, number: int) -> list[Delivery]:
        """Take out everything that waits for one endpoint."""
        queue = self.queue(number)
        return self._take(queue.waiting) + _drain(queue.loaded)

    def _take(self, waiting: deque[Delivery]) -> list[Delivery]:
        self.waiting -= len(waiting)
        return _drain(waiting)

    def take_partition(self, number: int) -> None:
        """Forget all that waits for one partition, which is being given up."""
        for queue in self._queues.values():
            for held in (queue.waiting, queue.loaded):
                kept = [d for d in held if d.partition.number != number]
                if len(kept) < len(held):
                    self.waiting -= (len(held) - len(kept)) * (held is queue.waiting)
                    held.clear()
                    held.extend(kept)


def _drain(held: deque[Delivery]) -> list[Delivery]:
    taken = [d for d in held if not d.partition.lost and not d.partition.released]
    held.clear()
    return taken
