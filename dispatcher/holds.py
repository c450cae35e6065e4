"""Where a delivery goes that is to be sent: on its way now, into memory behind others, or into the store to wait.

    endpoint ordered, others of its key before it --> parked in memory, or `held order`
    endpoint paused --> `held paused`, once too many are held `skipped hold_full`
    its breaker open --> `held breaker`
    no slot for too long, or others wait in its lane --> `pending` in the lane

What is held stands in its endpoint's durable lane, which is not drained while the hold lasts; what waits for its order
stands in its chain. Nothing that is held depends on this process. A paused endpoint's share of the limit is that of the
partitions that we own. A pause also turns what already waits in the lane into held, a page at a time.
"""

import math
from collections.abc import Mapping

from redis.asyncio import Redis

from dispatcher import outcome
from dispatcher.attempts import Attempts, StoreTime
from dispatcher.chains import Chain
from dispatcher.delivery import Delivery
from dispatcher.loader import Loaded, unread
from dispatcher.orders import REPLAYS
from dispatcher.partition import Partition
from gateway.clock import Clock
from gateway.model.delivery import Reason, State, Trigger, chain_of
from gateway.settings import Settings
from gateway.store import deliveries, schedule

TURN_SECONDS = 0.25
PAGE = 256
PARKED_LIMIT = 32
"""How many of one ordering key wait in memory: one key must not keep the log from being read."""


class Holds:
    """Decides where deliveries of the owned partitions wait."""

    def __init__(
        self, redis: Redis, clock: Clock, time: StoreTime, attempts: Attempts, settings: Settings,
        partitions: Mapping[int, Partition],
    ) -> None:  # fmt: skip
        self._redis, self._clock, self._time, self._attempts = redis, clock, time, attempts
        self._settings, self._partitions = settings, partitions
        self._lanes = attempts.lanes
        self._turned: dict[tuple[str, int], int] = {}

    def admit(self, delivery: Delivery) -> None:
        """Take a new delivery from the log."""
        terms = self._lanes.queue(delivery.endpoint).terms
        if terms.ordered and delivery.event.ordering_key:
            self._admit_ordered(delivery)
        elif not self._lanes.offer(delivery):
            self.put_off(delivery)

    def _admit_ordered(self, delivery: Delivery) -> None:
        partition = delivery.partition
        delivery.chain = chain_of(delivery.event.ordering_key)
        chain = partition.chains.of(delivery)
        if chain.stored:
            self.put_off(delivery)
        elif len(chain.parked) >= PARKED_LIMIT:
            for waiting in (*partition.chains.unpark(chain), delivery):
                self.put_off(waiting)
        elif chain.busy is not None or chain.parked or chain.unsettled:
            delivery.since = self._clock.monotonic()
            partition.in_hand[delivery.key] = partition.unrecorded[delivery.key] = delivery
            partition.chains.park(delivery)
        elif not self._waits_for_another(delivery):
            self._begin(delivery)

    def _begin(self, delivery: Delivery) -> None:
        delivery.partition.chains.begin(delivery)
        if not self._lanes.offer(delivery):
            self.put_off(delivery)

    def _waits_for_another(self, delivery: Delivery) -> bool:
        """Whether the first of a line has to wait, since an attempt of it may be under way that no record tells of."""
        chain = delivery.partition.chains.of(delivery)
        wait_ms = 0 if chain.certain or delivery.old.due_ms else self._uncertain_ms(delivery)
        chain.certain = True
        if not wait_ms:
            return False
        now_ms = self._time.now_ms()
        after = outcome.handed_over(delivery.old, None, 0, now_ms, now_ms + wait_ms)
        delivery.partition.transition(delivery, after)
        return True

    def _uncertain_ms(self, delivery: Delivery) -> int:
        """For how long an attempt of it may still be under way that the former owner began; 0 for certainly none."""
        partition = delivery.partition
        if partition.abandoned_at is None or delivery.key.address[:2] > partition.top:
            return 0
        until = partition.abandoned_at + self._attempts.longest_seconds(delivery.endpoint)
        return max(0, math.ceil((until - self._clock.monotonic()) * 1_000))

    def put_off(self, delivery: Delivery) -> None:
        """Record a delivery where it waits: nothing then depends on this process, and the mark can move."""
        partition, now_ms = delivery.partition, self._time.now_ms()
        why, full = self._why(delivery)
        if delivery.record is None and full and not delivery.running:
            after = outcome.held_over(delivery.old, now_ms)
        else:
            after = outcome.waiting(delivery.old, now_ms, Reason.NONE if delivery.running else why)
        partition.transition(delivery, after)

    def _why(self, delivery: Delivery) -> tuple[Reason, bool]:
        """Why it waits, and whether no more may wait for that."""
        chains, record = delivery.partition.chains, delivery.record
        hold = self._lanes.hold(delivery.endpoint)
        full = hold is Reason.PAUSED and self._held(delivery.endpoint) >= self._limit()
        # a record that does not say so stands first already
        if delivery.chain and (record is None or record.reason is Reason.ORDER) and not chains.is_first(delivery):
            return Reason.ORDER, full or chains.of(delivery).stored >= self._settings.order_limit
        return hold, full

    def _held(self, number: int) -> int:
        """How many wait: those in lanes, the first of each chain among them, and those behind these."""
        owned = self._partitions.values()
        return sum(p.lane_sizes[number] + p.chains.behind[number] for p in owned)

    def _limit(self) -> float:
        return self._settings.hold_limit * len(self._partitions) / self._settings.partition_count

    def chain_free(self, partition: Partition, chain: Chain) -> None:
        """Nobody is busy in a chain any more: its next one begins, or all that wait in memory join those stored."""
        if partition.released or partition.lost:
            return
        if not chain.stored:
            self._begin(partition.chains.next_parked(chain))
            return
        for delivery in partition.chains.unpark(chain):
            self.put_off(delivery)

    def take_up(self, partition: Partition, loaded: Loaded, trigger: Trigger | None = None) -> bool:
        """Take a delivery that the store has: start it, end it or hold it; False when another one must go before."""
        key, record, event, why_not = loaded
        usual = Trigger.SCHEDULE if record is not None and record.attempts else Trigger.FIRST
        delivery = Delivery(key, event, partition, trigger or usual, record)
        terms = self._lanes.queue(key.endpoint).terms
        exempt = trigger is Trigger.PROBE or (terms.replays and record is not None and record.run)
        held = bool(terms.hold) and not exempt
        if why_not is not None:
            partition.decline(delivery, why_not, self._time.now_ms())
        elif (held and record is not None and record.in_lane) or not partition.chains.begin(delivery):
            return False
        elif held:
            self.put_off(delivery)
        elif not delivery.chain or not self._waits_for_another(delivery):
            self._lanes.load(delivery)
        return True

    def begin_hold(self, number: int) -> None:
        """An endpoint was paused or its breaker opened: what waits here for it is recorded, but for orders."""
        for delivery in self._lanes.take_all(number):
            if delivery.order is None:
                self.put_off(delivery)
            elif delivery.order.kind in REPLAYS:
                # its order stays in the store, and is obeyed when the hold is over
                delivery.partition.in_hand.pop(delivery.key, None)
            else:
                self._lanes.load(delivery)

    async def run_once(self) -> int:
        """Turn what waits in the lanes of paused endpoints into held; how many. Raises redis errors."""
        turned, paused = 0, {}
        for partition in [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]:
            for number in [n for n, size in partition.lane_sizes.items() if size > 0]:
                if self._lanes.hold(number) is Reason.PAUSED:
                    at = partition.token, number
                    async with partition.taking:
                        turned += await self._turn(partition, number, self._turned.get(at, 0))
                    paused[at] = self._turned.get(at, 0)
        self._turned = paused
        return turned

    async def _turn(self, partition: Partition, number: int, start: int) -> int:
        found = await schedule.lane(self._redis, partition.keys, number, PAGE, start)
        records = await deliveries.read(self._redis, partition.keys, found)
        turned = 0
        for key, record in zip(found, records, strict=True):
            pending = record is not None and record.state is State.PENDING and record.in_lane
            if pending and key not in partition.in_hand and self._lanes.hold(number) is Reason.PAUSED:
                self.put_off(Delivery(key, unread(key.address), partition, record=record))
                turned += 1
        self._turned[partition.token, number] = start + len(found)
        return turned
