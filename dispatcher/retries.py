"""What becomes due: scheduled retries, orders, and deliveries that waited or ran for too long in memory.

Due times are store time; late is allowed, early never. Each turn takes a bounded page of everything, and begins with
another partition, since the first one finds the most free slots. What waits in lanes and chains is `backlog`'s.
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.backlog import Backlog
from dispatcher.delivery import Delivery
from dispatcher.holds import Holds
from dispatcher.lanes import WAIT_SECONDS
from dispatcher.loader import Loader, unread
from dispatcher.orders import Orders
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids, tasks
from gateway.clock import Clock
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


class Retries:
    """Moves waiting work on, for all owned partitions."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        time: StoreTime,
        view: RegistryView,
        attempts: Attempts,
        holds: Holds,
        backlog: Backlog,
        loader: Loader,
        partitions: Mapping[int, Partition],
    ) -> None:
        self._redis, self._clock, self._time, self._view = redis, clock, time, view
        self._attempts, self._holds, self._partitions = attempts, holds, partitions
        self._backlog, self._loader = backlog, loader
        self._orders = Orders(redis, time, loader, attempts)
        self._turn = 0

    def _owned(self) -> list[Partition]:
        owned = [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]
        first = self._turn % len(owned) if owned else 0
        return owned[first:] + owned[:first]

    async def run_once(self) -> Report:
        """One turn over all owned partitions. Raises redis errors; nothing is lost then."""
        self._turn += 1
        self._attempts.lanes.fill_all()
        self._attempts.lanes.wanting.clear()
        deferred = self.defer_slow()
        owned = self._owned()
        taken = await tasks.all_of(self._take(partition) for partition in owned)
        due, ordered = (sum(counts[kind] for counts in taken) for kind in range(2))
        return Report(due, ordered, deferred, await self._backlog.load(owned))

    async def _take(self, partition: Partition) -> tuple[int, int]:
        async with partition.taking:
            return await self._take_due(partition), await self._orders.take(partition)

    async def pause(self, report: Report) -> None:
        """Wait for the next turn: a tick, or only until a slot comes free if more than this turn took is waiting."""
        if report.due + report.ordered + report.loaded == 0:
            freed = self._attempts.lanes.freed
            freed.clear()
            if any(p.orders_wait or self._backlog.waits(p) for p in self._owned()):
                await tasks.wait(freed, TICK_SECONDS)
            else:
                await self._clock.sleep(TICK_SECONDS)
        await self._clock.sleep(BREATH_SECONDS)

    def defer_slow(self) -> int:
        """Record what waits or runs for too long, so that the marks move and nothing depends on this process."""
        slow = self._attempts.lanes.take_slow()
        now = self._clock.monotonic()
        for partition in self._owned():
            slow += [d for d in partition.unrecorded.values() if d.running and now - d.since > RUNNING_SECONDS]
            slow += partition.chains.take_slow(now - WAIT_SECONDS)
        for delivery in slow:
            self._holds.put_off(delivery)
        return len(slow)

    async def _take_due(self, partition: Partition) -> int:
        """Attempt what is due and has room; let the rest join its endpoint's lane, without its event being read."""
        now_ms = self._time.now_ms()
        known = sum(1 for d in partition.in_hand.values() if d.record is not None and d.record.due_ms)
        found = await schedule.due(self._redis, partition.keys, now_ms, PAGE + known + partition.due_left)
        wanted = [key for key in found if key not in partition.in_hand][: PAGE + partition.due_left]
        going, staying = self._split(partition, wanted)
        partition.due_left = len(wanted) - len(going) - len(staying)
        taken = await self._defer_due(partition, staying, now_ms)
        for loaded in await self._loader.load(partition, going):
            record = loaded.record
            if record is None or not 0 < record.due_ms <= now_ms or loaded.key in partition.in_hand:
                continue
            taken += self._holds.take_up(partition, loaded)
        return taken

    def _split(
        self, partition: Partition, wanted: list[ids.DeliveryKey]
    ) -> tuple[list[ids.DeliveryKey], list[ids.DeliveryKey]]:
        """What to load, and what to put off unread; what belongs to a replay must not join what waits for it."""
        going: list[ids.DeliveryKey] = []
        staying: list[ids.DeliveryKey] = []
        taken: Counter[int] = Counter()
        for key in wanted:
            terms = self._attempts.lanes.queue(key.endpoint).terms
            room = self._attempts.lanes.free(key.endpoint) - taken[key.endpoint] > 0
            open_lane = partition.lane_sizes[key.endpoint] <= 0 and not terms.hold
            catching_up = bool(terms.hold) and terms.replays
            if not self._view.is_on(key.endpoint) or (room and (open_lane or catching_up)):
                going.append(key)
                taken[key.endpoint] += 1
            elif not catching_up:
                staying.append(key)
        return going, staying

    async def _defer_due(self, partition: Partition, staying: list[ids.DeliveryKey], now_ms: int) -> int:
        deferred = 0
        records = await deliveries.read(self._redis, partition.keys, staying)
        for key, record in zip(staying, records, strict=True):
            if record is not None and 0 < record.due_ms <= now_ms and key not in partition.in_hand:
                self._holds.put_off(Delivery(key, unread(key.address), partition, record=record))
                deferred += 1
        return deferred
