"""Ends the open deliveries of endpoints that were switched off: disabled or deleted.

What waits in memory ends at once; what the store has (lanes, due times) is swept, partition by partition, a page at a
time; what runs ends with its outcome. A partition that was just taken is swept as well, since its former owner may not
have finished. A sweep that an error interrupts goes on where it was.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery
from dispatcher.loader import unread
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.model.delivery import OPEN_STATES
from gateway.store import deliveries, schedule

TURN_SECONDS = 0.1
QUEUED_LIMIT = 1_024


class Report(NamedTuple):
    """How many deliveries were ended, and how many partitions are still to be swept."""

    ended: int
    unswept: int


class Sweeper:
    """Sweeps all owned partitions when an endpoint was switched off, and each one once when it was taken."""

    def __init__(
        self, redis: Redis, time: StoreTime, view: RegistryView, attempts: Attempts, partitions: Mapping[int, Partition]
    ) -> None:
        self._redis, self._time, self._view = redis, time, view
        self._attempts, self._partitions = attempts, partitions
        self.switched_off: set[int] = set()

    async def run_once(self) -> Report:
        """One turn. Raises redis errors; the next turn goes on."""
        self._note_switched_off()
        ended = 0
        owned = [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]
        for partition in owned:
            if not partition.swept:
                ended += await self._sweep(partition)
        return Report(ended, sum(not p.swept for p in owned))

    def _note_switched_off(self) -> None:
        numbers, self.switched_off = self.switched_off, set()
        for number in numbers:
            why = self._view.off_reason(number)
            if why is not None:
                self._attempts.decline_waiting(number, why)
                for partition in self._partitions.values():
                    partition.swept, partition.sweep_cursor = False, 0

    async def _sweep(self, partition: Partition) -> int:
        if partition.sweep_cursor == 0:
            await self._view.refresh()
        ended = self._end_unsettled(partition)
        while partition.queued < QUEUED_LIMIT and not (partition.lost or partition.released):
            cursor, page = await schedule.open_page(self._redis, partition.keys, partition.sweep_cursor)
            async with partition.taking:
                ended += await self._end(partition, page)
            partition.sweep_cursor = cursor
            if cursor == 0:
                partition.swept = True
                break
        return ended

    async def _end(self, partition: Partition, page: Sequence[ids.DeliveryKey]) -> int:
        wanted = [key for key in page if key not in partition.in_hand and not self._view.is_on(key.endpoint)]
        records = await deliveries.read(self._redis, partition.keys, wanted)
        ended = 0
        for key, record in zip(wanted, records, strict=True):
            why = self._view.off_reason(key.endpoint)
            if why and record is not None and record.state in OPEN_STATES and key not in partition.in_hand:
                delivery = Delivery(key, unread(key.address), partition, record=record)
                partition.decline(delivery, why, self._time.now_ms())
                ended += 1
        return ended

    def _end_unsettled(self, partition: Partition) -> int:
        """What was just put off (to a lane or a time) and is not in the store yet, where the sweep would find it."""
        ended = 0
        for delivery in list(partition.in_hand.values()):
            why = self._view.off_reason(delivery.endpoint)
            put_off = delivery.queued and not delivery.running and delivery.record is not None
            if why and put_off and delivery.record and delivery.record.state in OPEN_STATES:
                partition.decline(delivery, why, self._time.now_ms())
                ended += 1
        return ended
