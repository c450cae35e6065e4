"""Reads the logs of the owned partitions and fans each event out to the endpoints that it matches.

One round trip: XREAD over all logs after our cursors, then the registry's change stream to its end, so that the
registry that an event is matched against is never older than the event. A read changes nothing in the store.

Reading pauses while enough waits in memory; what waits there is bounded in bytes and, by the lanes, in time. A read
asks for as many entries as the rest of the byte budget holds of the size that the last ones had.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.delivery import Delivery, Progress
from dispatcher.holds import Holds
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids, tasks
from gateway.model import event as events
from gateway.model.delivery import Reason, chain_of
from gateway.store import changes, log, scripts

BLOCK_MS = 100
"""Also how long a partition that was just taken may wait for its first read."""
UNRECORDED = 64
"""How many deliveries of one event are begun at a time before they have records: what a crash can repeat."""
SLICE = 32
"""How many of them in one turn of the event loop."""
READ_COUNT = 64
LARGEST_BYTES = 262_144
WAITING_LIMIT = 256
QUEUED_LIMIT = 2_048
IDLE_SECONDS = 0.05
FULL_SECONDS = 0.01
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
        holds: Holds,
        time: StoreTime,
        memory_budget_bytes: int,
    ) -> None:
        self._redis, self._view, self._attempts, self._time = redis, view, attempts, time
        self._holds = holds
        self._partitions, self._budget = partitions, memory_budget_bytes
        self._typical = float(LARGEST_BYTES)
        self.changed = asyncio.Event()
        attempts.lanes.on_few = self.changed.set

    def has_room(self) -> bool:
        """Whether more may be read into memory."""
        owned = self._partitions.values()
        return (
            self._attempts.lanes.waiting + sum(p.chains.parked for p in owned) < WAITING_LIMIT
            and self._room_bytes() > 0
            and sum(p.queued for p in owned) < QUEUED_LIMIT
        )

    def _room_bytes(self) -> int:
        return self._budget - sum(p.bytes for p in self._partitions.values())

    def count(self, logs: int) -> int:
        """How many entries of each log to ask for."""
        return max(1, min(READ_COUNT, int(self._room_bytes() / (logs * self._typical))))

    async def run_once(self) -> Report:
        """Read once, blocking a moment for the first event. Raises redis errors."""
        readable = [p for p in self._partitions.values() if not _is_over(p)]
        if not readable or not self.has_room():
            await self._wait(readable=bool(readable))
            if readable:
                await self._view.refresh()
            return Report(0, 0)
        names = [p.keys.log for p in readable]
        command = ("XREAD", "COUNT", self.count(len(names)), "BLOCK", BLOCK_MS, "STREAMS")
        cursor = self._view.cursor
        cursors = [p.cursor for p in readable]
        replies = await scripts.send(self._redis, [(*command, *names, *cursors), changes.command(cursor)])
        for refused in [reply for reply in replies if isinstance(reply, BaseException)]:
            raise refused
        entries, changed = replies
        await self._view.follow(cursor, changed)
        by_name = {p.keys.log: p for p in readable}
        report, size = Report(0, 0), 0
        for name, rows in _streams(entries):
            partition = by_name[name]
            for stream_id, fields in rows:
                if _is_over(partition):
                    break
                size += _size(fields)
                deliveries = await self._accept(partition, stream_id, fields)
                report = Report(report.events + 1, report.deliveries + deliveries)
        if report.events:
            # quick to grow, slow to shrink
            self._typical = max(size / report.events, self._typical / 2, 1.0)
        return report

    async def _wait(self, *, readable: bool) -> None:
        """For something to read or room to read it; what waits for endpoints that are stuck goes into the store now."""
        for stuck in self._attempts.lanes.take_stuck():
            self._holds.put_off(stuck)
        if not readable or not self.has_room():
            self.changed.clear()
            await tasks.wait(self.changed, FULL_SECONDS if readable else IDLE_SECONDS)

    async def _accept(self, partition: Partition, stream_id: bytes, fields: Any) -> int:
        address = ids.Address(*ids.parse_stream_id(stream_id), partition.number)
        header, data = log.entry_fields(fields)
        try:
            event = events.unpack(address, header, data)
        except events.EventUnreadable as poison:
            logger.error("event.poison", extra={"id": address.event_id, "why": str(poison)})  # noqa: TRY400 - the text says it all
            self._quarantine(partition, events.Event(address, address.event_id, "", "", b""), [NOBODY])
            return 0
        found = self._view.match_unfiltered(event)
        if found is None:
            found = await self._view.match_in_turns(event)
            if _is_over(partition):
                return 0
        matched = [endpoint.number for endpoint in found]
        if not event.is_intact():
            logger.error("event.poison", extra={"id": event.id, "why": "the bytes are not those that were accepted"})
            self._quarantine(partition, event, matched or [NOBODY])
            return 0
        progress, missing = partition.track(event, matched)
        progress.later.extend(missing)
        line = partition.spreading.get(_chain(event)) if partition.spreading else None
        if line and self._has_ordered(progress):
            line.append(progress)
            return progress.remaining
        self._begin(partition, progress)
        if progress.later and event.ordering_key and not line and self._has_ordered(progress):
            partition.spreading[_chain(event)] = deque([progress])
        return progress.remaining

    def fan_out(self, partition: Partition, progress: Progress) -> None:
        """Go on with an event; once all of it has begun, with the next one of its key that could have overtaken it."""
        if _is_over(partition):
            return
        self._begin(partition, progress)
        line = partition.spreading.get(_chain(progress.event)) if partition.spreading else None
        while line and line[0] is progress and not progress.later:
            line.popleft()
            if line:
                progress = line[0]
                self._begin(partition, progress)
            else:
                del partition.spreading[_chain(progress.event)]

    def _begin(self, partition: Partition, progress: Progress) -> None:
        """Offer an event's deliveries in ascending order, as many as may be without a record.

        A wide event takes turns with everything else that this process has to do.
        """
        begun = 0
        while progress.later and progress.remaining - len(progress.later) < UNRECORDED:
            if begun == SLICE:
                asyncio.get_running_loop().call_soon(self.fan_out, partition, progress)
                return
            begun += 1
            key = ids.DeliveryKey(*progress.event.address, progress.later.popleft())
            self._holds.admit(Delivery(key, progress.event, partition, progress=progress))

    def _has_ordered(self, progress: Progress) -> bool:
        return any(self._attempts.lanes.queue(number).terms.ordered for number in progress.later)

    def _quarantine(self, partition: Partition, event: events.Event, endpoints: list[int]) -> None:
        progress, missing = partition.track(event, endpoints)
        for number in missing:
            delivery = Delivery(ids.DeliveryKey(*event.address, number), event, partition, progress=progress)
            partition.decline(delivery, Reason.POISON, self._time.now_ms())


def _chain(event: events.Event) -> int:
    return chain_of(event.ordering_key) if event.ordering_key else 0


def _is_over(partition: Partition) -> bool:
    """Whether nothing more of it may be begun here."""
    return partition.lost or partition.released or partition.reading_stopped


def _streams(reply: dict[bytes, Any] | None) -> list[tuple[str, list[tuple[bytes, Any]]]]:
    """(stream name, entries) of an XREAD reply; None when nothing came while it blocked."""
    return [(name.decode(), rows) for name, rows in reply.items()] if reply else []


def _size(fields: Any) -> int:
    return sum(map(len, fields))
