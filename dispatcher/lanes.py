"""Who goes next: one queue per endpoint, over all partitions of this dispatcher.

A delivery is attempted at once if its endpoint has a free slot and nothing of it waits, here or in a durable lane.
Otherwise it waits in memory, briefly: after `WAIT_SECONDS` the endpoint counts as slow and what waits is recorded in
its durable lane, from which it is loaded again as slots come free. Orders of a person wait in memory without that
limit, since the order itself is durable.

An endpoint's slots are its in-flight limit times the share of partitions that we own, at least 1.
"""

from collections import deque
from collections.abc import Callable

from dispatcher.delivery import Delivery
from gateway.clock import Clock

WAIT_SECONDS = 0.25


class Queue:
    """What one endpoint has here: `waiting` from the log and orders, `loaded` from its lanes."""

    __slots__ = ("in_flight", "loaded", "loaded_turn", "number", "waiting")

    def __init__(self, number: int) -> None:
        self.number = number
        self.in_flight = 0
        self.waiting: deque[Delivery] = deque()
        self.loaded: deque[Delivery] = deque()
        self.loaded_turn = False

    def next(self) -> Delivery | None:
        """The delivery to attempt next, lanes and the rest in turns."""
        first, second = (self.loaded, self.waiting) if self.loaded_turn else (self.waiting, self.loaded)
        self.loaded_turn = not self.loaded_turn
        chosen = first or second
        return chosen.popleft() if chosen else None


class Lanes:
    """The queues of all endpoints; `start` begins an attempt and must not fail."""

    def __init__(self, clock: Clock, start: Callable[[Delivery], None], max_in_flight: int) -> None:
        self._clock, self._start, self._limit = clock, start, max_in_flight
        self._queues: dict[int, Queue] = {}
        self._busy: set[int] = set()
        self.share = max_in_flight
        self.waiting = 0

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
        if delivery.order is None and partition.lane_sizes[delivery.endpoint] > 0:
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
        """Take a delivery that its durable lane already has."""
        queue = self.queue(delivery.endpoint)
        delivery.partition.in_hand[delivery.key] = delivery
        queue.loaded.append(delivery)
        self._busy.add(queue.number)
        self.fill(queue)

    def _begin(self, queue: Queue, delivery: Delivery) -> None:
        queue.in_flight += 1
        delivery.running = True
        self._start(delivery)

    def finished(self, delivery: Delivery) -> None:
        """The answer of an attempt is in: its slot is free."""
        queue = self.queue(delivery.endpoint)
        queue.in_flight -= 1
        self.fill(queue)

    def fill(self, queue: Queue) -> None:
        """Begin attempts while slots are free."""
        while queue.in_flight < self.share and (queue.waiting or queue.loaded):
            before = len(queue.waiting)
            delivery = queue.next()
            if delivery is None:
                return
            self.waiting -= before - len(queue.waiting)
            if delivery.partition.released or delivery.partition.lost:
                continue
            if not delivery.partition.may_start():
                self._put_back(queue, delivery)
                return
            self._begin(queue, delivery)

    def _put_back(self, queue: Queue, delivery: Delivery) -> None:
        queue.waiting.appendleft(delivery)
        self._busy.add(queue.number)
        self.waiting += 1

    def fill_all(self) -> None:
        """Begin what can be begun everywhere: after a beat, or when the share grew."""
        for number in list(self._busy):
            queue = self._queues[number]
            self.fill(queue)
            if not queue.waiting and not queue.loaded:
                self._busy.discard(number)

    def take_slow(self) -> list[Delivery]:
        """Take out what has waited too long here, of each slow endpoint all that waits; orders stay."""
        now = self._clock.monotonic()
        slow: list[Delivery] = []
        for number in list(self._busy):
            waiting = self._queues[number].waiting
            oldest = next((d for d in waiting if d.order is None), None)
            if oldest is not None and now - oldest.since > WAIT_SECONDS:
                slow += self.take_waiting(number)
        return slow

    def take_waiting(self, number: int, *, orders: bool = False) -> list[Delivery]:
        """Take out all that waits for one endpoint, in order; with `orders` those too, and what was loaded."""
        queue = self.queue(number)
        taken = [d for d in queue.waiting if orders or d.order is None]
        self.waiting -= len(taken)
        queue.waiting = deque(d for d in queue.waiting if not orders and d.order is not None)
        if orders:
            taken += queue.loaded
            queue.loaded = deque()
        return [d for d in taken if not d.partition.lost and not d.partition.released]

    def take_partition(self, number: int) -> list[Delivery]:
        """Take out all that waits for one partition, which is being given up."""
        taken: list[Delivery] = []
        for queue in self._queues.values():
            for name in ("waiting", "loaded"):
                held: deque[Delivery] = getattr(queue, name)
                mine = [d for d in held if d.partition.number == number]
                if mine:
                    taken += mine
                    setattr(queue, name, deque(d for d in held if d.partition.number != number))
                    self.waiting -= len(mine) if name == "waiting" else 0
        return taken
