"""What becomes due: scheduled retries, orders of people, deliveries that waited too long in memory, durable lanes.

Due times are store time; late is allowed, early never. Each turn takes a bounded page of everything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.clock import Clock
from gateway.model.delivery import OPEN_STATES, Reason, Record, State, Trigger
from gateway.model.event import Event, EventUnreadable
from gateway.store import deliveries, log, schedule, work

TICK_SECONDS = 0.1
PAGE = 256
RUNNING_SECONDS = 2.0


class Report(NamedTuple):
    """What one turn took in hand."""

    due: int
    ordered: int
    deferred: int
    loaded: int


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

    def _owned(self) -> list[Partition]:
        return [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]

    async def run_once(self) -> Report:
        """One turn over all owned partitions. Raises redis errors; nothing is lost then."""
        self._attempts.lanes.fill_all()
        deferred = self.defer_slow()
        due = ordered = loaded = 0
        for partition in self._owned():
            due += await self._take_due(partition)
            ordered += await self._take_orders(partition)
            loaded += await self._load_lanes(partition)
        return Report(due, ordered, deferred, loaded)

    def defer_slow(self) -> int:
        """Record what waits or runs for too long, so that the marks move and nothing depends on this process."""
        slow = self._attempts.lanes.take_slow()
        wall_ms = self._clock.wall_ms()
        for partition in self._owned():
            for delivery in list(partition.unrecorded.values()):
                if delivery.running and wall_ms - delivery.started_ms > RUNNING_SECONDS * 1_000:
                    slow.append(delivery)
        for delivery in slow:
            delivery.partition.defer(delivery, self._time.now_ms())
        return len(slow)

    async def _take_due(self, partition: Partition) -> int:
        now_ms = self._time.now_ms()
        known = sum(1 for d in partition.in_hand.values() if d.record is not None and d.record.due_ms)
        keys = await schedule.due(self._redis, partition.keys, now_ms, PAGE + known)
        wanted = [key for key in keys if key not in partition.in_hand][:PAGE]
        taken = 0
        for key, record, event in await self._read(partition, wanted):
            if record is None or not record.due_ms or record.due_ms > now_ms or key in partition.in_hand:
                continue
            trigger = Trigger.SCHEDULE if record.attempts else Trigger.FIRST
            self._resume(Delivery(key, event or _gone(key), partition, trigger, record), event)
            taken += 1
        return taken

    def _resume(self, delivery: Delivery, event: Event | None) -> None:
        """Attempt a due delivery, or let it join its lane; or say why it cannot be attempted any more."""
        partition, now_ms = delivery.partition, self._time.now_ms()
        off = self._view.off_reason(delivery.endpoint)
        if event is None or off is not None:
            partition.skip(delivery, off or Reason.EXPIRED, now_ms)
        elif partition.lane_sizes[delivery.endpoint] > 0 or self._attempts.lanes.free(delivery.endpoint) <= 0:
            partition.defer(delivery, now_ms)
        else:
            self._attempts.lanes.load(delivery)

    async def _take_orders(self, partition: Partition) -> int:
        taken = 0
        async for field, value in self._redis.hscan_iter(partition.keys.work, count=PAGE):
            key = ids.unpack_key(field, partition.number)
            if key in partition.in_hand:
                continue
            ((_, record, event),) = await self._read(partition, [key])
            if key in partition.in_hand:
                continue
            self._obey(partition, key, work.unpack(value), record, event)
            taken += 1
            if taken >= PAGE:
                break
        return taken

    def _obey(
        self, partition: Partition, key: ids.DeliveryKey, order: work.Order, record: Record | None, event: Event | None
    ) -> None:
        trigger = Trigger.REPLAY if order.kind in {work.Kind.FILL, work.Kind.AGAIN} else Trigger.MANUAL
        delivery = Delivery(key, event or _gone(key), partition, trigger, record, order=order)
        off = self._view.off_reason(key.endpoint)
        now_ms = self._time.now_ms()
        if event is None or off is not None:
            self._decline(delivery, off or Reason.EXPIRED, now_ms)
        elif trigger is Trigger.REPLAY and record is not None and record.state < State.DEAD:
            self._drop(delivery, record, now_ms)
        else:
            self._attempts.lanes.offer(delivery)

    def _decline(self, delivery: Delivery, why: Reason, now_ms: int) -> None:
        """Remove an order that cannot be obeyed any more; what it asked for stays as it is, or is seen as skipped."""
        if delivery.record is None:
            delivery.partition.skip(delivery, why, now_ms)
        else:
            self._drop(delivery, delivery.record, now_ms)

    def _drop(self, delivery: Delivery, record: Record, now_ms: int) -> None:
        unchanged = Record(
            record.state, record.reason, record.attempts, record.status, record.error,
            record.failures, record.due_ms, max(now_ms, record.changed_ms + 1), record.run,
        )  # fmt: skip
        delivery.partition.transition(delivery, unchanged)

    async def _load_lanes(self, partition: Partition) -> int:
        loaded = 0
        for number in [n for n, size in partition.lane_sizes.items() if size > 0]:
            free = self._attempts.lanes.free(number)
            if free > 0 or not self._view.is_on(number):
                loaded += await self._load_lane(partition, number, max(free, 1))
        return loaded

    async def _load_lane(self, partition: Partition, number: int, free: int) -> int:
        known = sum(1 for key in partition.in_hand if key.endpoint == number)
        keys = await schedule.lane(self._redis, partition.keys, number, known + min(free * 2, PAGE))
        wanted = [key for key in keys if key not in partition.in_hand]
        loaded = 0
        for key, record, event in await self._read(partition, wanted):
            if record is None or record.state is not State.PENDING or record.due_ms or key in partition.in_hand:
                continue
            trigger = Trigger.SCHEDULE if record.attempts else Trigger.FIRST
            delivery = Delivery(key, event or _gone(key), partition, trigger, record)
            off = self._view.off_reason(number)
            if event is None or off is not None:
                partition.skip(delivery, off or Reason.EXPIRED, self._time.now_ms())
            else:
                self._attempts.lanes.load(delivery)
            loaded += 1
        return loaded

    async def _read(
        self, partition: Partition, wanted: Sequence[ids.DeliveryKey]
    ) -> Iterable[tuple[ids.DeliveryKey, Record | None, Event | None]]:
        if not wanted:
            return []
        records = await deliveries.read(self._redis, partition.keys, wanted)
        found = await _events(self._redis, partition, wanted)
        return list(zip(wanted, records, found, strict=True))

    async def sweep(self, partition: Partition) -> int:
        """Skip the open deliveries of endpoints that are switched off; for a take-over and for a registry change."""
        swept, cursor = 0, 0
        while True:
            cursor, page = await schedule.open_page(self._redis, partition.keys, cursor)
            wanted = [key for key in page if key not in partition.in_hand and not self._view.is_on(key.endpoint)]
            for key, record in zip(wanted, await deliveries.read(self._redis, partition.keys, wanted), strict=True):
                off = self._view.off_reason(key.endpoint)
                if record is not None and record.state in OPEN_STATES and off and key not in partition.in_hand:
                    partition.skip(Delivery(key, _gone(key), partition, record=record), off, self._time.now_ms())
                    swept += 1
            if cursor == 0 or partition.lost:
                return swept


def _gone(key: ids.DeliveryKey) -> Event:
    return Event(key.address, key.address.event_id, "", "", b"")


async def _events(redis: Redis, partition: Partition, wanted: Sequence[ids.DeliveryKey]) -> list[Event | None]:
    addresses: list[Any] = list(dict.fromkeys(key.address for key in wanted))
    try:
        found = dict(zip(addresses, await log.read_many(redis, partition.keys, addresses), strict=True))
    except EventUnreadable:
        return [None] * len(wanted)
    return [found[key.address] for key in wanted]
