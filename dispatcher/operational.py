"""Operational events: what Hookline tells a subscriber about its endpoints, as events of the log.

What happened is written to an outbox by the very script that made it happen; here it is published and then removed.
The event's id is made from what it tells, so that publishing twice is one event. At most one per endpoint, kind and
minute, with a count: for each endpoint one dispatcher speaks, the owner of the partition that its number falls on, over
the outboxes of all partitions. A delivery of such an event never causes another.
"""

import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from redis.asyncio import Redis

from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.clock import Clock
from gateway.model.event import EventUnreadable, NewEvent
from gateway.store import deliveries, keys, log, outbox, scripts
from gateway.store.operational import ENDPOINT_DISABLED, EndpointDisabled
from gateway.store.registry import Registry

SOURCE = "/hookline"
DELIVERY_DEAD = "hookline.delivery.dead"
QUIET_SECONDS = 60.0
TURN_SECONDS = 1.0
logger = logging.getLogger("dispatcher.operational")


class Operational:
    """Drains the outboxes of the partitions, for its share of the endpoints, and that of the registry."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        registry: Registry,
        view: RegistryView,
        all_partitions: list[keys.PartitionKeys],
        owned: Mapping[int, Partition],
    ) -> None:
        self._redis, self._clock, self._registry, self._view = redis, clock, registry, view
        self._all, self._owned = all_partitions, owned
        self._quiet_until: dict[int, float] = {}

    async def run_once(self) -> int:
        """Publish what is due; how many events. Raises redis errors, after which everything is still there."""
        published = 0
        for number, dead in (await self._dead_letters()).items():
            published += await self._announce_dead(number, dead)
        if self._speaks_for(0):
            for entry in await self._registry.pending_operational():
                await self._publish(entry.event_id, ENDPOINT_DISABLED, entry.subscriber, _disabled(entry))
                await self._registry.operational_done(entry)
                published += 1
        return published

    def _speaks_for(self, endpoint: int) -> bool:
        partition = self._owned.get(endpoint % len(self._all))
        return partition is not None and not (partition.lost or partition.released)

    async def _dead_letters(self) -> dict[int, list[outbox.DeadLetters]]:
        now = self._clock.monotonic()
        self._quiet_until = {number: until for number, until in self._quiet_until.items() if now < until}
        found: dict[int, list[outbox.DeadLetters]] = {}
        for dead in await outbox.pending(self._redis, self._all):
            number = dead.newest.endpoint
            if self._speaks_for(number) and number not in self._quiet_until:
                found.setdefault(number, []).append(dead)
        return found

    async def _announce_dead(self, number: int, dead: list[outbox.DeadLetters]) -> int:
        newest, endpoint = max(one.newest for one in dead), self._view.endpoint(number)
        if endpoint is None:
            await self._view.refresh()
            endpoint = self._view.endpoint(number)
        if endpoint is not None:
            letters = sum(one.letters for one in dead)
            data = {"endpoint": endpoint.id, "delivery": newest.delivery_id, "count": letters}
            data |= await self._last_attempt(newest)
            await self._publish(f"op:{newest.delivery_id}:{outbox.KIND}", DELIVERY_DEAD, endpoint.subscriber, data)
            self._quiet_until[number] = self._clock.monotonic() + QUIET_SECONDS
        for one in dead:
            await outbox.done(self._redis, self._all[one.newest.partition], one)
        return int(endpoint is not None)

    async def _last_attempt(self, key: ids.DeliveryKey) -> dict[str, Any]:
        partition = self._all[key.partition]
        (record,) = await deliveries.read(self._redis, partition, [key])
        try:
            event = await log.read(self._redis, partition, key.address)
        except EventUnreadable:
            event = None
        told: dict[str, Any] = {"event": event.id if event else key.address.event_id}
        if record is not None:
            error = record.error.name.lower() if record.error else None
            told["reason"] = record.reason.name.lower()
            told["last_attempt"] = {
                "number": record.attempts, "error": error, "response_status": record.status or None,
            }  # fmt: skip
        return told

    async def _publish(self, event_id: str, event_type: str, subscriber: str, data: dict[str, Any]) -> None:
        new = NewEvent(SOURCE, event_type, msgspec.json.encode(data), id=event_id, subscriber=subscriber)
        partition = self._all[ids.partition_of(event_id, len(self._all))]
        append = log.Append(partition, [new])
        (answer,) = await scripts.run_all(self._redis, [append.call])
        if isinstance(answer, BaseException):
            raise answer
        logger.info("operational.published", extra={"type": event_type, "id": event_id})


def _disabled(entry: EndpointDisabled) -> dict[str, Any]:
    last = entry.last_failure
    return {
        "endpoint": entry.endpoint,
        "reason": entry.reason,
        "count": entry.count,
        "consecutive_failures": entry.consecutive_failures,
        "delivery": entry.delivery,
        "last_attempt": {"error": last.error, "response_status": last.status} if last else None,
    }
