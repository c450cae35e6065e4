"""Orders: what people and replays ask the owner of a partition to send.

An order lies in the store until the settle script removes it together with the attempt that it caused, so what waits
here is only what has a free slot; the rest stays where it is and takes no room. An order that cannot be obeyed
(endpoint off, event gone) is removed, and the delivery says why, unless it has ended before. A probe is for an endpoint
that is off, if it was disabled as failing.
"""

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery
from dispatcher.loader import Loaded, Loader, fault
from dispatcher.partition import Partition
from gateway import ids
from gateway.model.delivery import Reason, Record, State, Trigger
from gateway.store import work

PAGES = 8
REPLAYS = frozenset({work.Kind.FILL, work.Kind.AGAIN})
_TRIGGERS = {work.Kind.FILL: Trigger.REPLAY, work.Kind.AGAIN: Trigger.REPLAY, work.Kind.PROBE: Trigger.PROBE}


class Orders:
    """Takes orders as slots come free."""

    def __init__(self, redis: Redis, time: StoreTime, loader: Loader, attempts: Attempts) -> None:
        self._redis, self._time, self._loader, self._attempts = redis, time, loader, attempts

    async def take(self, partition: Partition) -> int:
        """Go on through the orders of a partition, a bounded number of pages; how many were taken in hand."""
        taken = 0
        partition.orders_wait = False
        for _ in range(PAGES):
            page = await work.page(self._redis, partition.keys, partition.work_cursor)
            partition.work_cursor = page.cursor
            partition.orders_wait |= bool(page.orders)
            taken += await self._obey_page(partition, self._with_room(partition, page.orders))
            if page.cursor == 0:
                break
        return taken

    def _with_room(
        self, partition: Partition, found: dict[ids.DeliveryKey, work.Order]
    ) -> dict[ids.DeliveryKey, work.Order]:
        free: dict[int, int] = {}
        chosen = {}
        for key, order in sorted(found.items()):
            if order.kind in REPLAYS and not self._attempts.lanes.queue(key.endpoint).terms.replays:
                continue
            room = free.setdefault(key.endpoint, self._attempts.lanes.free(key.endpoint))
            if room <= 0:
                self._attempts.lanes.wanting.add(key.endpoint)
            elif key not in partition.in_hand:
                free[key.endpoint] = room - 1
                chosen[key] = order
        return chosen

    async def _obey_page(self, partition: Partition, chosen: dict[ids.DeliveryKey, work.Order]) -> int:
        """Obey what is still ordered: the page may be older than an attempt that has just been settled."""
        wanted = list(chosen)
        if not wanted:
            return 0
        standing = await work.read(self._redis, partition.keys, wanted)
        taken = 0
        for loaded, order in zip(await self._loader.load(partition, wanted), standing, strict=True):
            if order is not None and loaded.key not in partition.in_hand:
                self._obey(partition, loaded, order)
                taken += 1
        return taken

    def _obey(self, partition: Partition, loaded: Loaded, order: work.Order) -> None:
        key, record, event, why_not = loaded
        trigger = _TRIGGERS.get(order.kind, Trigger.MANUAL)
        delivery = Delivery(key, event, partition, trigger, record, order=order)
        now_ms = self._time.now_ms()
        if order.kind is work.Kind.PROBE and why_not is Reason.ENDPOINT_DISABLED:
            why_not = self._attempts.refused(delivery) or fault(event)
        if why_not is not None:
            partition.decline(delivery, why_not, now_ms)
        elif trigger is not Trigger.MANUAL and record is not None and not _may_repeat(record, order):
            partition.forget_order(delivery, now_ms)
        else:
            self._attempts.lanes.load(delivery)


def _may_repeat(record: Record, order: work.Order) -> bool:
    """Whether a replay or a probe may send it: it has ended undelivered, or a pause holds what this replay brought."""
    return record.state >= State.DEAD or (record.state is State.HELD and 0 < order.run == record.run)
