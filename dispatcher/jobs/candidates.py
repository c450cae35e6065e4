"""The events of one partition that a replay selects, in log order, from a cursor on.

    log, or the indexes of the wanted event types --selected--> candidates
    dead letters whose events retention took out of the log --selected, mode fill--> candidates, in their place

Retention takes the oldest events first. So dead letters that lie between what was looked at and the next event of the
log are those whose events only `kept` has; they are found in the `dead` index.

What was read and not passed is read again by whoever goes on from the cursor.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from dispatcher.jobs.selection import Selection
from gateway import ids
from gateway.model.event import Event
from gateway.store import deliveries, event_list, keys, log, scripts, walk
from receivers import patterns

MAX_INDEXES = 16
_DEAD_PAGE = 256
_DATA_AT_ONCE = 1_048_576
_AFTER_EVERY_ENDPOINT = 0xFFFF_FFFF


class Wanted(NamedTuple):
    """What is looked for: `since_ms` inclusive, `until_ms` exclusive; `run` is 0 in mode fill."""

    selection: Selection
    since_ms: int
    until_ms: int
    run: int


class Candidate(NamedTuple):
    """One delivery that may be wanted; `live` if the endpoint gets the event anyhow, `size` in bytes of payload.

    `ordering_key` is the event's, '' for none.
    """

    key: ids.DeliveryKey
    live: bool
    size: int
    ordering_key: str


class Candidates:
    """Reads ahead as long as nothing waits; the caller takes from `waiting` and says what is passed."""

    def __init__(
        self, redis: Redis, partitions: Sequence[keys.PartitionKeys], number: int, wanted: Wanted, cursor: str | None
    ) -> None:
        self._redis, self._partitions, self._wanted = redis, partitions, wanted
        self.partition = partitions[number]
        self._done: walk.Bound | None = ids.parse_stream_id(cursor) if cursor else None
        self._looked = self._done
        self._walk: walk.Walk[event_list.Header] | None = None
        self._begun_ms = 0
        self.waiting: deque[Candidate] = deque()
        self.ended = False
        """the log was read to its end as it was"""
        self.complete = False
        """and nothing can still be accepted in the wanted time"""

    @property
    def cursor(self) -> str | None:
        """The last stream id that is done; None before the first."""
        return f"{self._done[0]}-{self._done[1]}" if self._done else None

    async def read(self, now_ms: int) -> bool:
        """Look at the next few hundred events, unless something waits; False when there was nothing to look at.

        `now_ms` is not ahead of the store's clock.
        """
        if self.waiting or self.complete:
            return False
        if self._walk is None:
            self._begun_ms = now_ms
            self._walk = walk.Walk(self._redis, self._sources(), self._span(), walk.BATCH)
        batch = await self._walk.batch()
        if batch:
            found = await self._trimmed(_bound(batch[0].position))
            headers = [entry.value for entry in batch if entry.value is not None]
            found += await self._passing(self._candidates(headers))
            self._looked = _bound(batch[-1].position)
            self.waiting.extend(found)
            self.passed(0)
            return True
        at_end = self._walk.ended
        if at_end:
            self.waiting.extend(await self._trimmed((min(self._begun_ms, self._wanted.until_ms), 0)))
            self.ended, self.complete = True, self._begun_ms >= self._wanted.until_ms
        self._walk = None
        return not at_end

    def passed(self, count: int) -> None:
        """So many of the first candidates are done; with the last of them also what was looked at beside them."""
        for _ in range(count):
            key = self.waiting.popleft().key
            self._done = (key.ms, key.seq)
        if not self.waiting:
            reached = [bound for bound in (self._done, self._looked) if bound is not None]
            self._done = self._looked = max(reached, default=None)

    def _span(self) -> walk.Span:
        after = ids.Address(*self._looked, self.partition.number) if self._looked else None
        return walk.Span((self._wanted.since_ms, 0), (self._wanted.until_ms, 0), after, ascending=True)

    def _sources(self) -> list[walk.Source[event_list.Header]]:
        types = self._wanted.selection.event_types
        if len(types) <= MAX_INDEXES and all(patterns.is_event_type(name) for name in types):
            indexes = sorted({self.partition.type_index(name) for name in types})
            return [event_list.EventSource(self.partition, index) for index in indexes]
        return [event_list.EventSource(self.partition)]

    def _candidates(self, headers: Iterable[event_list.Header]) -> list[Candidate]:
        selection = self._wanted.selection
        return [
            Candidate(self._key(event.address), selection.is_live(event), size, event.ordering_key)
            for event, size in headers
            if selection.selects(event)
        ]

    async def _passing(self, found: list[Candidate]) -> list[Candidate]:
        """Those that the endpoint's filter lets through, or of which it has a delivery by another filter."""
        if not self._wanted.selection.endpoint.filter or not found:
            return found
        number = self._wanted.selection.endpoint.number
        live = [ids.DeliveryKey(*one.key.address, number) for one in found]
        records = await deliveries.read(self._redis, self.partition, live)
        kept = {one.key for one, record in zip(found, records, strict=True) if record is not None}
        left = deque(one for one in found if one.key not in kept)
        while left:
            some = [left.popleft()]
            while left and sum(one.size for one in some) + left[0].size <= _DATA_AT_ONCE:
                some.append(left.popleft())
            events = await log.read_each(self._redis, self.partition, [one.key.address for one in some])
            pairs = zip(some, events, strict=True)
            kept |= {one.key for one, event in pairs if isinstance(event, Event) and self._passes(event)}
        return [one for one in found if one.key in kept]

    def _passes(self, event: Event) -> bool:
        return bool(event.endpoint) or self._wanted.selection.passes(event)

    def _key(self, address: ids.Address) -> ids.DeliveryKey:
        return ids.DeliveryKey(*address, self._wanted.selection.endpoint.number, self._wanted.run)

    async def _trimmed(self, before: walk.Bound) -> list[Candidate]:
        """Dead letters of the endpoint between what was looked at and `before`."""
        if self._wanted.run:
            return []
        first = max(self._looked or walk.BEGIN, (self._wanted.since_ms, 0))
        begin = ids.DeliveryKey(*first, self.partition.number, _AFTER_EVERY_ENDPOINT if self._looked else 0).packed()
        found: list[ids.Address] = []
        while True:
            answer: Any = await scripts.load("scan_zset")(
                self._redis, [self.partition.dead], ("asc", begin, _DEAD_PAGE)
            )
            members = [ids.unpack_key(packed, self.partition.number) for packed in answer[1:]]
            inside = [key for key in members if key[:2] < before]
            found += [key.address for key in inside if key == self._key(key.address)]
            if len(inside) < len(members) or answer[0] == b"0":
                break
            begin = answer[-1]
        looked = await event_list.look_up(self._redis, self._partitions, found)
        return self._candidates(h for address in found if (h := looked[address].header) is not None)


def _bound(position: walk.Position) -> walk.Bound:
    return position[0], position[1]
