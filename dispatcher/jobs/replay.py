"""One replay inside one slice: turns of counting, then of ordering, over all partitions.

Ordering takes the oldest events first, whatever partition they are in. An answer that is not final stops its partition
for the turn, with the cursor before it, and is asked for again: `ahead` (the entry is not behind the recorded mark yet,
so live delivery may still make this delivery) and `in_flight` (somebody else's order, or ours from before a crash, is
under way; what it leaves decides). So passing an entry is final, and how many were ordered is a matter of the cursor
alone: after a crash the same entries count the same, whether an answer says `queued` or the record says that this run
opened it.

A replay that live events wait for brings the deliveries of each ordering key one after the other: see `in_order`.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
from redis.asyncio import Redis

from dispatcher.jobs.candidates import Candidate, Candidates, Wanted
from dispatcher.jobs.in_order import Line
from dispatcher.jobs.pacer import Pacer
from dispatcher.jobs.selection import Selection
from dispatcher.jobs.target import holds
from dispatcher.store_time import StoreTime
from gateway import ids
from gateway.model.delivery import Record, State
from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.store import deliveries, keys, replay_orders, work

MAX_OUTSTANDING = 1_000
OUTSTANDING_BYTES = 32 * 1_048_576
ORDERS_AT_ONCE = 256


class Report(NamedTuple):
    """What one turn did: whether it got on, and whether nothing is left to be done."""

    moved: bool
    finished: bool = False


class ReplayTurns:
    """The turns of one replay; `most` is how many orders may be outstanding."""

    def __init__(
        self,
        redis: Redis,
        partitions: Sequence[keys.PartitionKeys],
        replay: Replay,
        endpoint: Endpoint,
        time: StoreTime,
        most: int,
    ) -> None:
        self._redis, self._partitions, self._time = redis, partitions, time
        self._replay, self._most = replay, min(most, MAX_OUTSTANDING)
        self._kind = work.Kind.FILL if replay.mode == "fill" else work.Kind.AGAIN
        run = 0 if replay.mode == "fill" else replay.run
        self._wanted = Wanted(Selection(endpoint, replay.event_types), replay.since_ms, replay.until_ms, run)
        self._pacer = Pacer(replay.rate, replay.next_ms)
        self._phase, self._total, self._queued = replay.phase, replay.total, replay.queued
        self._largest = 1
        self._held: set[int] = set()
        self._aside = endpoint.on_failure == "skip"
        self._candidates = self._begin(replay.cursor)
        self._lines = self._in_lines()

    def _begin(self, cursor: dict[str, str]) -> list[Candidates]:
        return [
            Candidates(self._redis, self._partitions, number, self._wanted, cursor.get(str(number)))
            for number in range(len(self._partitions))
        ]

    def _in_lines(self) -> list[Line]:
        """One per partition, of a replay that keeps the order of each key; else none."""
        if not holds(self._replay):
            return []
        run = self._replay.run
        return [Line(self._redis, one, self._kind, run, aside=self._aside) for one in self._candidates]

    def progress(self, replay: Replay) -> Replay:
        """The replay with how far this one is."""
        cursor = {str(one.partition.number): one.cursor for one in self._candidates if one.cursor is not None}
        return msgspec.structs.replace(
            replay,
            phase=self._phase,
            total=max(self._total, self._queued),
            queued=self._queued,
            cursor=cursor,
            next_ms=self._pacer.next_ms,
        )

    async def outcome(self) -> tuple[int, str | None]:
        """Of a finished replay: its total, which is what was ordered, and what of it was never attempted, in words."""
        if self._replay.dry_run:
            return self._total, None
        left = self._queued - await replay_orders.sent(self._redis, self._partitions, self._replay.run)
        why = (
            f"{left} of {self._queued} deliveries were not attempted: at their turn the endpoint was disabled, "
            "the event had expired, or the delivery had been made otherwise"
        )
        return self._queued, why if left > 0 else None

    async def run_once(self) -> Report:
        """One turn. Raises redis errors; what was passed before stays passed."""
        if self._phase == "count":
            return await self._count()
        return await self._send()

    async def _count(self) -> Report:
        for one in self._candidates:
            await one.read(self._time.now_ms())
            found = list(one.waiting)
            self._total += await self._needed(one.partition, found)
            one.passed(len(found))
        if not all(one.ended for one in self._candidates):
            return Report(moved=True)
        if self._replay.dry_run:
            return Report(moved=True, finished=True)
        self._phase = "send"
        self._candidates = self._begin({})
        self._lines = self._in_lines()
        return Report(moved=True)

    async def _needed(self, partition: keys.PartitionKeys, found: Sequence[Candidate]) -> int:
        if self._kind is work.Kind.AGAIN or not found:
            return len(found)
        mark = await self._redis.get(partition.recorded)
        behind = ids.parse_stream_id(mark) if mark else (0, 0)
        records = await deliveries.read(self._redis, partition, [one.key for one in found])
        return sum(_is_needed(one, record, behind) for one, record in zip(found, records, strict=True))

    async def _send(self) -> Report:
        outstanding = await replay_orders.outstanding(self._redis, self._partitions, self._replay.run)
        moved = False
        for one in self._candidates:
            moved |= await one.read(self._time.now_ms())
            self._largest = max(self._largest, *(candidate.size for candidate in one.waiting), 1)
        if not outstanding and all(one.complete and not one.waiting for one in self._candidates):
            return Report(moved=True, finished=True)
        room = self._pacer.limit(max(1, min(self._most, OUTSTANDING_BYTES // self._largest))) - outstanding
        moved |= await (self._send_in_order(room) if self._lines else self._send_by_age(room))
        return Report(moved)

    async def _send_in_order(self, room: int) -> bool:
        """Of each ordering key the next one whose turn it is; the partition that waits for longest chooses first."""
        moved = False
        for line in sorted((line for line in self._lines if line.waits), key=lambda line: line.oldest):
            looked = await line.look()
            self._queued += looked.ours
            count = self._pacer.allowed(self._time.now_ms(), min(room, ORDERS_AT_ONCE)) if room > 0 else 0
            placed = await line.ask(count)
            self._pacer.spent(placed, self._time.now_ms())
            room -= placed
            moved |= bool(looked.passed or placed)
        return moved

    async def _send_by_age(self, room: int) -> bool:
        moved = False
        stopped: set[int] = set()
        while room > 0:
            oldest = self._oldest(stopped)
            count = self._pacer.allowed(self._time.now_ms(), min(room, ORDERS_AT_ONCE))
            if oldest is None or count <= 0:
                break
            done, placed = await self._order(oldest, count)
            moved, room = moved or done > 0, room - placed
            if oldest.partition.number in self._held or not oldest.waiting:
                stopped.add(oldest.partition.number)
        return moved

    def _oldest(self, stopped: set[int]) -> Candidates | None:
        ready = [one for one in self._candidates if one.waiting and one.partition.number not in stopped]
        return min(ready, key=lambda one: one.waiting[0].key, default=None)

    async def _order(self, one: Candidates, count: int) -> tuple[int, int]:
        """How many entries were passed, and how many orders were placed. A partition that is held is asked for one."""
        number = one.partition.number
        asked = min(1 if number in self._held else count, len(one.waiting))
        wanted = [one.waiting[at].key for at in range(asked)]
        answers = await work.order(self._redis, one.partition, wanted, self._kind, self._replay.run)
        placed = sum(answer.answer == "queued" for answer in answers)
        self._pacer.spent(placed, self._time.now_ms())
        final = [answer.answer in {"queued", "kept"} for answer in answers]
        done = final.index(False) if False in final else len(final)
        (self._held.add if done < len(final) else self._held.discard)(number)
        self._queued += sum(self._is_ours(answer) for answer in answers[:done])
        one.passed(done)
        return done, placed

    def _is_ours(self, answer: work.Ordered) -> bool:
        opened_by = answer.record.run if answer.record else 0
        return answer.answer == "queued" or opened_by == self._replay.run


def _is_needed(candidate: Candidate, record: Record | None, behind: tuple[int, int]) -> bool:
    if record is not None:
        return record.state >= State.DEAD
    return candidate.key[:2] <= behind or not candidate.live
