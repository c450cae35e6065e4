"""Who goes next: one queue per endpoint, over all partitions of this dispatcher.

A delivery from the log is attempted at once if its endpoint has a free slot and nothing of it waits, here or in a
durable lane. Otherwise it waits in memory, briefly: after `WAIT_SECONDS` the endpoint counts as slow and what waits is
recorded in its durable lane. What the store has anyway (lanes, due deliveries, orders) is loaded as slots come free, so
that a slow endpoint takes no room from others.

An endpoint's slots are its in-flight limit times the share of partitions that we own, at least 1.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from dispatcher.delivery import Delivery
from gateway.clock import Clock

WAIT_SECONDS = 0.25
FEW_WAITING = 128


class Queue:
    """What one endpoint has here: `waiting` from the log, `loaded` from the store."""

    __slots__ = ("in_flight", "loaded", "loaded_turn", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.in_flight = 0
        self.waiting: deque[Delivery] = deque()
        self.loaded: deque[Delivery] = deque()
        self.loaded_turn = False

    def next(self) -> deque[Delivery]:
        """Where the next delivery comes from, both in turns; empty when nothing is left."""
        first, second = (self.loaded, self.waiting) if self.loaded_turn else (self.waiting, self.loaded)
        self.loaded_turn = not self.loaded_turn
        return first or second


class Lanes:
    """The queues of all endpoints; `start` begins an attempt and must not fail.

    `freed` is set when a slot comes free; `on_few` is called when little is left waiting.
    """

    def __init__(self, clock: Clock, start: Callable[[Delivery], None], max_in_flight: int) -> None:
        self._clock, self._start, self._limit = clock, start, max_in_flight
        self._queues: dict[int, Queue] = {}
        self._busy: set[int] = set()
        self.share = max_in_flight
        self.waiting = 0
        self.freed = asyncio.Event()
        self.on_few: Callable[[], None] = lambda: None

    def set_share(self, owned: int, partitions: int) -> None:
        """Split the limit by owned partitions."""
        self.share = max(1, self._limit * owned // partitions)

    def queue(self, number: int) -> Queue:
        """The queue of an endpoint."""
        queue = self._queues.get(number)
        if queue is None:
            queue = self._queues[number] = Queue(number)
        return queue

    def free(self, number: int) -> int:
        """How many more deliveries of an endpoint could be taken in hand now."""
        queue = self.queue(number)
        return self.share - queue.in_flight - len(queue.loaded)

    def offer(self, delivery: Delivery) -> bool:
        """Attempt now or wait; False when the delivery must join its durable lane instead."""
        partition = delivery.partition
        if partition.lane_sizes[delivery.endpoint] > 0:
            return False
        queue = self.queue(delivery.endpoint)
        partition.in_hand[delivery.key] = delivery
        if delivery.progress is not None:
            partition.unrecorded[delivery.key] = delivery
        if queue.in_flight < self.share and not queue.waiting and partition.may_start():
            self._begin(queue, delivery)
        else:
            delivery.since = self._clock.monotonic()
            queue.waiting.append(delivery)
            self._busy.add(queue.number)
            self.waiting += 1
        return True

    def load(self, delivery: Delivery) -> None:
        """Take a delivery that the store already has: in a lane, due, or ordered."""
        queue = self.queue(delivery.endpoint)
        delivery.partition.in_hand[delivery.key] = delivery
        queue.loaded.append(delivery)
        self._busy.add(queue.number)
        self.fill(queue)

    def _begin(self, queue: Queue, delivery: Delivery) -> None:
        queue.in_flight += 1
        delivery.running = True
        delivery.since = self._clock.monotonic()
        self._start(delivery)

    def finished(self, delivery: Delivery) -> None:
        """The answer of an attempt is in: its slot is free."""
        queue = self.queue(delivery.endpoint)
        queue.in_flight -= 1
        self.fill(queue)

    def fill(self, queue: Queue) -> None:
        """Begin attempts while slots are free."""
        self.freed.set()
        while queue.in_flight < self.share and (queue.waiting or queue.loaded):
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
        """Begin what can be begun everywhere: after a beat, or when the share grew."""
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
