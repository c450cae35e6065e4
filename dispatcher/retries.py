"""What becomes due: scheduled retries, orders, deliveries that waited too long in memory, durable lanes.

Due times are store time; late is allowed, early never. Each turn takes a bounded page of everything, and begins with
another partition, since the first one finds the most free slots.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery
from dispatcher.loader import Loaded, Loader, unread
from dispatcher.orders import Orders
from dispatcher.partition import Partition, in_lane
from dispatcher.registry_view import RegistryView
from gateway import ids, tasks
from gateway.clock import Clock
from gateway.model.delivery import State, Trigger
from gateway.store import deliveries, schedule

TICK_SECONDS = 0.1
BREATH_SECONDS = 0.005
PAGE = 256
RUNNING_SECONDS = 2.0


class Report(NamedTuple):
    """What one turn took in hand."""

    due: int
    ordered: int
    deferred: int
    loaded: int


class _Lane(NamedTuple):
    """The lane of an endpoint in one partition, and how many of it are in hand."""

    partition: Partition
    number: int
    held: int


class Retries:
    """Moves waiting work on, for all owned partitions."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        time: StoreTime,
        view: RegistryView,
        attempts: Attempts,
        partitions: Mapping[int, Partition],
    ) -> None:
        self._redis, self._clock, self._time, self._view = redis, clock, time, view
        self._attempts, self._partitions = attempts, partitions
        self._loader = Loader(redis, view)
        self._orders = Orders(redis, time, self._loader, attempts)
        self._turn = 0

    def _owned(self) -> list[Partition]:
        owned = [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]
        first = self._turn % len(owned) if owned else 0
        return owned[first:] + owned[:first]

    async def run_once(self) -> Report:
        """One turn over all owned partitions. Raises redis errors; nothing is lost then."""
        self._turn += 1
        self._attempts.lanes.fill_all()
        deferred = self.defer_slow()
        due = ordered = loaded = 0
        for partition in self._owned():
            due += await self._take_due(partition)
            ordered += await self._orders.take(partition)
        for number, waiting in self._lanes_to_load().items():
            loaded += await self._load_lanes(number, waiting)
        return Report(due, ordered, deferred, loaded)

    async def pause(self, report: Report) -> None:
        """Wait for the next turn: a tick, or only until a slot comes free if more than this turn took is waiting."""
        if report.due + report.ordered + report.loaded == 0:
            freed = self._attempts.lanes.freed
            freed.clear()
            if any(p.orders_wait or any(size > 0 for size in p.lane_sizes.values()) for p in self._owned()):
                await tasks.wait(freed, TICK_SECONDS)
            else:
                await self._clock.sleep(TICK_SECONDS)
        await self._clock.sleep(BREATH_SECONDS)

    def defer_slow(self) -> int:
        """Record what waits or runs for too long, so that the marks move and nothing depends on this process."""
        slow = self._attempts.lanes.take_slow()
        now = self._clock.monotonic()
        for partition in self._owned():
            running = [d for d in partition.unrecorded.values() if d.running and now - d.since > RUNNING_SECONDS]
            slow += running
        for delivery in slow:
            delivery.partition.defer(delivery, self._time.now_ms())
        return len(slow)

    async def _take_due(self, partition: Partition) -> int:
        """Attempt what is due and has room; let the rest join its endpoint's lane, without its event being read."""
        now_ms = self._time.now_ms()
        known = sum(1 for d in partition.in_hand.values() if d.record is not None and d.record.due_ms)
        found = await schedule.due(self._redis, partition.keys, now_ms, PAGE + known)
        wanted = [key for key in found if key not in partition.in_hand][:PAGE]
        going, staying = self._split(partition, wanted)
        taken = await self._defer_due(partition, staying, now_ms)
        for loaded in await self._loader.load(partition, going):
            record = loaded.record
            if record is None or not 0 < record.due_ms <= now_ms or loaded.key in partition.in_hand:
                continue
            self._attempt(partition, loaded)
            taken += 1
        return taken

    def _split(
        self, partition: Partition, wanted: list[ids.DeliveryKey]
    ) -> tuple[list[ids.DeliveryKey], list[ids.DeliveryKey]]:
        going: list[ids.DeliveryKey] = []
        staying: list[ids.DeliveryKey] = []
        taken: Counter[int] = Counter()
        for key in wanted:
            room = self._attempts.lanes.free(key.endpoint) - taken[key.endpoint]
            if not self._view.is_on(key.endpoint) or (partition.lane_sizes[key.endpoint] <= 0 and room > 0):
                going.append(key)
                taken[key.endpoint] += 1
            else:
                staying.append(key)
        return going, staying

    async def _defer_due(self, partition: Partition, staying: list[ids.DeliveryKey], now_ms: int) -> int:
        deferred = 0
        records = await deliveries.read(self._redis, partition.keys, staying)
        for key, record in zip(staying, records, strict=True):
            if record is not None and 0 < record.due_ms <= now_ms and key not in partition.in_hand:
                partition.defer(Delivery(key, unread(key.address), partition, record=record), now_ms)
                deferred += 1
        return deferred

    def _attempt(self, partition: Partition, loaded: Loaded) -> None:
        key, record, event, why_not = loaded
        trigger = Trigger.SCHEDULE if record is not None and record.attempts else Trigger.FIRST
        delivery = Delivery(key, event, partition, trigger, record)
        if why_not is None:
            self._attempts.lanes.load(delivery)
        else:
            partition.decline(delivery, why_not, self._time.now_ms())

    def _lanes_to_load(self) -> dict[int, list[_Lane]]:
        """By endpoint the lanes that have more than is in hand."""
        found: dict[int, list[_Lane]] = {}
        for partition in self._owned():
            held = Counter(d.endpoint for d in partition.in_hand.values() if in_lane(d.record))
            for number in list(partition.lane_sizes):
                size = partition.lane_sizes[number]
                if size <= 0:
                    del partition.lane_sizes[number]
                elif size > held[number]:
                    found.setdefault(number, []).append(_Lane(partition, number, held[number]))
        return found

    async def _load_lanes(self, number: int, waiting: list[_Lane]) -> int:
        """Share the free slots of an endpoint; a lane that is alone has some more ready for the next ones."""
        loaded = 0
        ahead = 2 if len(waiting) == 1 else 1
        for left, lane in zip(range(len(waiting), 0, -1), waiting, strict=True):
            free = self._attempts.lanes.free(number)
            if free > 0 or not self._view.is_on(number):
                share = max(-(-free // left), 1) * ahead
                loaded += await self._load_lane(lane, min(share, PAGE))
        return loaded

    async def _load_lane(self, lane: _Lane, count: int) -> int:
        partition = lane.partition
        found = await schedule.lane(self._redis, partition.keys, lane.number, lane.held + count)
        wanted = [key for key in found if key not in partition.in_hand][:count]
        taken = 0
        for loaded in await self._loader.load(partition, wanted):
            record = loaded.record
            if record is None or record.state is not State.PENDING or record.due_ms or loaded.key in partition.in_hand:
                continue
            self._attempt(partition, loaded)
            taken += 1
        return taken
