"""One owned partition: what was read and not yet recorded, and what is ready to be settled. No I/O.

    log -> reader -> accept: Progress per event, Delivery per match -> lanes -> ... -> transition -> settle call
                                                                                      -> mark moves

Invariants: the mark passes an event only in a script that leaves every delivery of it with a record. A delivery is in
hand from the read or load until the last transition of it is settled, so that it is never taken from the store a second
time meanwhile. The transitions of one delivery reach the store in the order in which they were made (one call at a
time, and a call that failed is sent again as it was). At the first answer that contradicts what is believed here, the
partition is given up and taken again.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from dispatcher import outcome
from dispatcher.chains import Chain, Chains
from dispatcher.delivery import Delivery, Progress
from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.model.event import Event
from gateway.store import deliveries, keys
from gateway.store.leases import Taken
from gateway.store.schedule import ChainId

BATCH_ITEMS = 128


class _Queued(NamedTuple):
    change: deliveries.Transition
    progress: Progress | None
    delivery: Delivery


class Found(NamedTuple):
    """What the store has of a partition when it is taken: records after the mark, sizes of lanes and of chains.

    `taken_ms` is when, in store time. `abandoned_at` (monotonic seconds) is when it was taken from an owner that did
    not hand it over, which may have attempts under way that no record tells of; None if it was handed over.
    """

    recorded: dict[ids.DeliveryKey, Record]
    lanes: dict[int, int]
    chains: Mapping[ChainId, int] = {}
    abandoned_at: float | None = None
    taken_ms: int = 0


class Partition:
    """State of one owned partition; used by one event loop."""

    def __init__(
        self,
        partition: keys.PartitionKeys,
        taken: Taken,
        found: Found,
        wake: Callable[[], None],
        may_start: Callable[[], bool],
    ) -> None:
        self.keys, self.number = partition, partition.number
        self.token, self.mark, self.cursor = taken.token, taken.mark, taken.mark
        self.top = ids.parse_stream_id(taken.top)
        self._recorded: dict[tuple[int, int], set[int]] = {}
        for key in found.recorded:
            self._recorded.setdefault((key.ms, key.seq), set()).add(key.endpoint)
        self.lane_sizes: Counter[int] = Counter(found.lanes)
        self.chains = Chains(found.chains)
        self.spreading: dict[int, deque[Progress]] = {}
        """By number of the ordering key: an event with deliveries to be begun, and later ones that wait for that."""
        self.abandoned_at, self.taken_ms = found.abandoned_at, found.taken_ms
        self.taking = asyncio.Lock()
        """Held from before a record is read until its delivery is in hand: of two at once, the second one could take a
        delivery by what is not so any more."""
        self.in_hand: dict[ids.DeliveryKey, Delivery] = {}
        self.unrecorded: dict[ids.DeliveryKey, Delivery] = {}
        self.timings: Counter[str] = Counter()
        self.released = self.lost = self.reading_stopped = self.swept = False
        self.sweep_cursor = self.work_cursor = 0
        self.orders_wait = False
        self.due_left = 0
        """How many due deliveries were left where they are, for want of a slot."""
        self.bytes = 0
        self._events: deque[Progress] = deque()
        self._queue: deque[_Queued] = deque()
        self._indexed = 0
        self._wake, self._fresh = wake, may_start
        self.on_recorded: Callable[[Partition, Progress], None] = lambda _partition, _progress: None
        self.on_chain_free: Callable[[Partition, Chain], None] = lambda _partition, _chain: None
        self._call: deliveries.Settle | None = None
        self._sent: list[_Queued] = []

    @property
    def queued(self) -> int:
        """How many transitions wait for the next settle call."""
        return len(self._queue)

    def may_start(self) -> bool:
        """Whether attempts may begin: the lease is ours, its last beat is young, and we are not giving it up."""
        return not (self.lost or self.released or self.reading_stopped) and self._fresh()

    def track(self, event: Event, matched: list[int]) -> tuple[Progress, list[int]]:
        """Begin an event: its progress, and the endpoints that have no record for it yet, both ascending."""
        self.cursor = event.address.stream_id
        recorded = self._recorded.pop(event.address[:2], None)
        missing = matched
        if recorded:
            missing = [number for number in matched if number not in recorded]
            matched = sorted({*matched, *recorded})
        progress = Progress(event, matched, len(missing))
        self._events.append(progress)
        self.bytes += progress.bytes
        if not missing:
            self._wake()
        return progress, missing

    def transition(self, delivery: Delivery, after: Record, attempt: bytes = b"", *, announce: bool = False) -> None:
        """Queue a change of a delivery's record; a first record lets the mark pass.

        Once the partition was handed over nothing is changed but by the attempts that ran then.
        """
        if self.released and not attempt:
            self.in_hand.pop(delivery.key, None)
            return
        order = delivery.order
        late = delivery.record is None and delivery.progress is None
        counted = order is None or not order.run or outcome.goes_on(delivery.old, order.run)
        sent = not counted and bool(attempt or delivery.running)
        change = deliveries.Transition(
            delivery.key, delivery.record, after, attempt, late, order is not None, sent, self.released, announce
        )
        before = delivery.record
        self.lane_sizes[delivery.endpoint] += after.in_lane - (before is not None and before.in_lane)
        if delivery.chain:
            self.chains.note(delivery, before, after)
        self._queue.append(_Queued(change, delivery.progress, delivery))
        delivery.queued += 1
        self.in_hand[delivery.key] = delivery
        delivery.record, delivery.progress, delivery.order = after, None, None
        self.unrecorded.pop(delivery.key, None)
        self._wake()

    def decline(self, delivery: Delivery, why: Reason, now_ms: int) -> None:
        """Record that a delivery will not be attempted; a dead letter is announced, unless it is ours about another."""
        after = outcome.declined(delivery.old, why, now_ms, delivery.run)
        self.transition(delivery, after, announce=self.dies(delivery, after))

    def forget_order(self, delivery: Delivery, now_ms: int) -> None:
        """Remove an order that asks for what is so or under way already."""
        record = delivery.old
        self.transition(delivery, replace(record, changed_ms=max(now_ms, record.changed_ms + 1)))

    def dies(self, delivery: Delivery, after: Record) -> bool:
        """Whether a transition makes a dead letter that its subscriber is told of."""
        dead = delivery.record is not None and delivery.record.state is State.DEAD
        return after.state is State.DEAD and not dead and not delivery.event.type.startswith("hookline.")

    def knows_first(self, chain_id: ChainId) -> bool:
        """Whether the store can say who is first in a chain, of the events that were read: all of it has records."""
        chain = self.chains.find(chain_id)
        return chain is not None and not chain.unsettled and chain_id.chain not in self.spreading

    def has_work(self) -> bool:
        """Whether a settle call would carry anything."""
        return bool(self._call or self._queue or (self._events and self._events[0].remaining == 0))

    def call(self) -> deliveries.Settle:
        """The next settle call; the same one again until `settled` was told its answer."""
        if self._call is None:
            self._call = deliveries.Settle(self.keys, self.token, self.mark)
            self._fill(self._call)
            self._pass(self._call)
            if self._sent:
                for field, count in self.timings.items():
                    self._call.timing(field, count)
                self.timings.clear()
        return self._call

    def _fill(self, call: deliveries.Settle) -> None:
        self._sent = []
        carried: set[ids.DeliveryKey] = set()
        while self._queue and len(self._sent) < BATCH_ITEMS and call.bytes < deliveries.MAX_BYTES // 2:
            # one change per delivery and call: of two, a repetition of the call could not tell that it made the first
            if self._queue[0].change.key in carried:
                break
            queued = self._queue.popleft()
            carried.add(queued.change.key)
            call.transition(queued.change)
            self._sent.append(queued)
            if queued.progress is not None:
                queued.progress.remaining -= 1

    def _pass(self, call: deliveries.Settle) -> None:
        room = deliveries.MAX_ITEMS
        while self._events and self._events[0].remaining == 0 and room > 0 and not self.released:
            head = self._events[0]
            chunk = head.endpoints[self._indexed : self._indexed + room]
            room -= max(1, len(chunk))
            self._indexed += len(chunk)
            if chunk:
                call.index(head.event.address, chunk)
            if self._indexed == len(head.endpoints):
                call.passed(deliveries.Passed(head.event.address, head.endpoints))
                self._indexed = 0
                self.bytes -= head.bytes
                self._events.popleft()

    def settled(self, answer: deliveries.Settled) -> None:
        """Take the answer of the call that was sent."""
        call, self._call = self._call, None
        for queued in self._sent:
            delivery = queued.delivery
            delivery.queued -= 1
            if not delivery.queued and not delivery.running:
                self.in_hand.pop(delivery.key, None)
        sent, self._sent = self._sent, []
        contradicted = answer.code != "K" or "0" in answer.outcomes
        if self.released or call is None:
            return
        if contradicted:
            self.lost = True
        else:
            self.mark = call.mark_after
            self._go_on(sent)
            for queued in sent:
                if queued.delivery.chain and (chain := self.chains.settled(queued.delivery)) is not None:
                    self.on_chain_free(self, chain)

    def _go_on(self, settled: list[_Queued]) -> None:
        """Tell of the events that have more deliveries to be begun, now that some have records."""
        for progress in {id(q.progress): q.progress for q in settled if q.progress and q.progress.later}.values():
            self.on_recorded(self, progress)
