"""Reads the logs of the owned partitions and fans each event out to the endpoints that it matches.

One round trip: XREAD over all logs after our cursors, then the registry's change stream to its end, so that the
registry that an event is matched against is never older than the event. A read changes nothing in the store.

Reading pauses while enough waits in memory; what waits there is bounded in bytes and, by the lanes, in time.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.model import event as events
from gateway.model.delivery import Reason, Record, State
from gateway.store import changes, log

BLOCK_MS = 500
READ_COUNT = 64
WAITING_LIMIT = 256
QUEUED_LIMIT = 2_048
IDLE_SECONDS = 0.05
NOBODY = 0
"""The endpoint number of the record that an unreadable entry gets: it cannot be matched, yet must be seen."""
logger = logging.getLogger("dispatcher.reader")


class Report(NamedTuple):
    """What one turn read."""

    events: int
    deliveries: int


class Reader:
    """One reader for all partitions that this dispatcher owns; `redis` is used by nobody else."""

    def __init__(
        self,
        redis: Redis,
        view: RegistryView,
        attempts: Attempts,
        partitions: Mapping[int, Partition],
        time: StoreTime,
        memory_budget_bytes: int,
    ) -> None:
        self._redis, self._view, self._attempts, self._time = redis, view, attempts, time
        self._partitions, self._budget = partitions, memory_budget_bytes
        self.changed = asyncio.Event()

    def has_room(self) -> bool:
        """Whether more may be read into memory."""
        owned = self._partitions.values()
        return (
            self._attempts.lanes.waiting < WAITING_LIMIT
            and sum(p.bytes for p in owned) < self._budget
            and sum(p.queued for p in owned) < QUEUED_LIMIT
        )

    async def run_once(self) -> Report:
        """Read once, blocking up to half a second for the first event. Raises redis errors."""
        readable = [p for p in self._partitions.values() if not (p.lost or p.released or p.reading_stopped)]
        if not readable or not self.has_room():
            self.changed.clear()
            await _wait(self.changed, IDLE_SECONDS)
            return Report(0, 0)
        names = [p.keys.log for p in readable]
        pipeline = self._redis.pipeline(transaction=False)
        command = ("XREAD", "COUNT", READ_COUNT, "BLOCK", BLOCK_MS, "STREAMS")
        pipeline.execute_command(*command, *names, *(p.cursor for p in readable))
        pipeline.execute_command(*changes.command(self._view.cursor))
        entries, changed = await pipeline.execute()
        await self._view.follow(changes.parse(self._view.cursor, changed))
        by_name = {p.keys.log: p for p in readable}
        report = Report(0, 0)
        for name, rows in _streams(entries):
            partition = by_name[name]
            for stream_id, fields in rows:
                if partition.lost or partition.released or partition.reading_stopped:
                    break
                report = Report(report.events + 1, report.deliveries + self._accept(partition, stream_id, fields))
        return report

    def _accept(self, partition: Partition, stream_id: bytes, fields: Any) -> int:
        address = ids.Address(*ids.parse_stream_id(stream_id), partition.number)
        header, data = log.entry_fields(fields)
        try:
            event = events.unpack(address, header, data)
        except events.EventUnreadable as poison:
            logger.error("event.poison", extra={"event": address.event_id, "why": str(poison)})  # noqa: TRY400 - the text says it all
            self._quarantine(partition, events.Event(address, address.event_id, "", "", b""), [NOBODY])
            return 0
        matched = [endpoint.number for endpoint in self._view.match(event)]
        if not event.is_intact():
            logger.error("event.poison", extra={"event": event.id, "why": "the bytes are not those that were accepted"})
            self._quarantine(partition, event, matched or [NOBODY])
            return 0
        progress, missing = partition.track(event, matched)
        for number in missing:
            delivery = Delivery(ids.DeliveryKey(*address, number), event, partition, progress=progress)
            if not self._attempts.lanes.offer(delivery):
                partition.defer(delivery, self._time.now_ms())
        return len(missing)

    def _quarantine(self, partition: Partition, event: events.Event, endpoints: list[int]) -> None:
        progress, missing = partition.track(event, endpoints)
        after = Record(State.DEAD, Reason.POISON, changed_ms=self._time.now_ms())
        for number in missing:
            delivery = Delivery(ids.DeliveryKey(*event.address, number), event, partition, progress=progress)
            partition.transition(delivery, after)


def _streams(reply: Any) -> list[tuple[str, list[tuple[bytes, Any]]]]:
    """(stream name, entries) of an XREAD reply under RESP2 or RESP3."""
    if not reply:
        return []
    pairs = reply.items() if isinstance(reply, dict) else reply
    streams = []
    for name, rows in pairs:
        # redis-py wraps the entries of a RESP3 reply in one more list
        flat = (
            rows[0] if rows and isinstance(rows[0], list) and rows[0] and isinstance(rows[0][0], tuple | list) else rows
        )
        streams.append((name.decode(), list(flat)))
    return streams


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
