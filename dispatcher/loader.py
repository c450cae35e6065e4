"""Reads what the store has of deliveries that something is due for: records, events, and why an attempt is out of
the question.

Nothing is refused on an old view of the registry: before an endpoint counts as off, the changes are read to their end.
The bytes of an event are checked on each read, not only on the first: what changed on disk since is never signed.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.model.delivery import Reason, Record
from gateway.model.event import Event, EventUnreadable
from gateway.store import deliveries, log

logger = logging.getLogger("dispatcher.loader")


class Loaded(NamedTuple):
    """A delivery as the store has it; `event` is without type and data unless `why_not` is None."""

    key: ids.DeliveryKey
    record: Record | None
    event: Event
    why_not: Reason | None


class Loader:
    """Loads pages of deliveries of one partition."""

    def __init__(self, redis: Redis, view: RegistryView) -> None:
        self._redis, self._view = redis, view

    async def load(self, partition: Partition, wanted: Sequence[ids.DeliveryKey]) -> list[Loaded]:
        """In the order asked; `wanted` must not be in hand. Raises redis errors."""
        if not wanted:
            return []
        addresses = list(dict.fromkeys(key.address for key in wanted))
        records, events = await asyncio.gather(
            deliveries.read(self._redis, partition.keys, wanted),
            log.read_each(self._redis, partition.keys, addresses),
        )
        if not all(self._view.is_on(number) for number in {key.endpoint for key in wanted}):
            await self._view.refresh()
        found = {address: _judge(address, event) for address, event in zip(addresses, events, strict=True)}
        loaded = []
        for key, record in zip(wanted, records, strict=True):
            event, fault = found[key.address]
            loaded.append(Loaded(key, record, event, self._view.off_reason(key.endpoint) or fault))
        return loaded


def unread(address: ids.Address) -> Event:
    """Stands for an event that was not read: it is not attempted, only recorded about."""
    return Event(address, address.event_id, "", "", b"")


def fault(event: Event) -> Reason | None:
    """Why a loaded event cannot be sent to anybody, whatever its endpoint; None if it can."""
    if not event.type:
        return Reason.EXPIRED
    return None if event.is_intact() else Reason.POISON


def _judge(address: ids.Address, found: Event | EventUnreadable | None) -> tuple[Event, Reason | None]:
    if found is None:
        return unread(address), Reason.EXPIRED
    if isinstance(found, EventUnreadable) or not found.is_intact():
        why = str(found) if isinstance(found, EventUnreadable) else "the bytes are not those that were accepted"
        logger.error("event.poison", extra={"id": address.event_id, "why": why})
        return (unread(address) if isinstance(found, EventUnreadable) else found), Reason.POISON
    return found, None
