"""Delivery records: the settle call, which is the one way they change, and how they are read.

State diagram (places in brackets are derived from the record inside the script):

    none -> pending [open, lane]  -> scheduled [open, due] -> pending ...
                    [open, due: handed over, not before]
         -> held [open, lane: paused, breaker] [open: order]
    what is open and has a chain number also stands in [order]
    pending | scheduled | held -> delivered | dead [dead] | skipped
    dead | skipped -> pending | scheduled | delivered   (an order of a person)

One call carries what one partition has ready: transitions, the events that the recorded mark passes with their index
entries, and the new mark. It is built once and may be sent any number of times.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.store import keys, scripts

MAX_ITEMS = 256
MAX_BYTES = 512 * 1024
START = "0-0"
"""The mark of a partition of which nothing is recorded yet."""


class Transition(NamedTuple):
    """One change of a record: from `before` (None: it does not exist yet) to `after`, with the attempt that caused it.

    `late` files a delivery made outside of live order; `ordered` removes the order that asked for it; `replayed`
    counts it as sent by its replay; `orphan` is allowed after the lease was handed over; `announce` puts a dead
    letter into the outbox.
    """

    key: ids.DeliveryKey
    before: model.Record | None
    after: model.Record
    attempt: bytes = b""
    late: bool = False
    ordered: bool = False
    replayed: bool = False
    orphan: bool = False
    announce: bool = False

    @property
    def flags(self) -> str:
        """The letters that settle.lua knows."""
        if not (self.ordered or self.replayed or self.orphan or self.announce):
            return ""
        pairs = ((self.ordered, "w"), (self.replayed, "s"), (self.orphan, "o"), (self.announce, "d"))
        return "".join(letter for given, letter in pairs if given)


class Passed(NamedTuple):
    """An event all of whose deliveries have a record; the endpoints in ascending order."""

    address: ids.Address
    endpoints: Sequence[int]


class Settled(NamedTuple):
    """The answer: `code` K (done), T (the lease is lost) or M (the mark is another); a digit per transition."""

    code: str
    outcomes: str


class Settle:
    """Builds one call of settle.lua for one partition."""

    def __init__(self, partition: keys.PartitionKeys, token: str, mark: str) -> None:
        self._partition = partition
        p = partition
        self._keys = [
            p.lease, p.recorded, p.counters, p.fanned, p.unmatched, p.open, p.dead, p.due,
            p.lanes, p.work, p.late, p.replayed, p.outbox, p.timing, p.order,
        ]  # fmt: skip
        self._positions: dict[str, int] = {}
        self._token, self.mark, self.mark_after = token, mark, mark
        self._items: list[scripts.Argument] = []
        self._entries: list[scripts.Argument] = []
        self._passed: list[scripts.Argument] = []
        self._timings: list[scripts.Argument] = []
        self.bytes = 0

    def _position(self, key: str) -> int:
        position = self._positions.get(key)
        if position is None:
            self._keys.append(key)
            position = self._positions[key] = len(self._keys)
        return position

    def transition(self, change: Transition) -> None:
        """Add a change of a record."""
        key, before, p = change.key, change.before, self._partition
        lane = late = attempts = 0
        if change.after.in_lane or (before and before.in_lane):
            lane = self._position(p.lane(key.endpoint))
        if change.late:
            late = self._position(p.late_index(key.endpoint))
        if change.attempt:
            attempts = self._position(p.attempts(key.minute))
            self.bytes += len(change.attempt)
        self._items += (
            key.packed(), self._position(p.records(key.minute)), before.packed() if before else b"",
            change.after.packed(), attempts, change.attempt, lane, late, change.flags,
        )  # fmt: skip

    def index(self, address: ids.Address, endpoints: Iterable[int]) -> None:
        """Add an event to the indexes of endpoints."""
        p = self._partition
        positions = [self._position(p.endpoint_index(number)) for number in endpoints if number]
        self._entries += (address.stream_id, struct.pack(f">{len(positions)}H", *positions))

    def passed(self, event: Passed) -> None:
        """Move the mark over an event; its index entries go before or with this call."""
        self._passed += (event.address.stream_id, struct.pack(f">{len(event.endpoints)}I", *event.endpoints))
        self.mark_after = event.address.stream_id

    def timing(self, field: str, count: int) -> None:
        """Count attempts in the histogram; taken with the first transition of this call that is applied."""
        self._timings += (field, count)

    @property
    def call(self) -> tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]:
        """What `scripts.run_all` takes."""
        sizes = (len(self._items) // 9, len(self._entries) // 2, len(self._passed) // 2, len(self._timings) // 2)
        head: list[scripts.Argument] = [self._token, self.mark, self.mark_after, *sizes]
        return scripts.load("settle"), self._keys, head + self._items + self._entries + self._passed + self._timings

    async def send(self, redis: Redis) -> Settled:
        """Run it. Raises redis errors; the same object may be sent again."""
        script, names, args = self.call
        code, outcomes = await script(redis, names, args)
        return Settled(code.decode(), outcomes.decode())


async def read(
    redis: Redis, partition: keys.PartitionKeys, wanted: Sequence[ids.DeliveryKey]
) -> list[model.Record | None]:
    """Records in the order asked, one round trip."""
    pipeline = redis.pipeline(transaction=False)
    for key in wanted:
        pipeline.hget(partition.records(key.minute), key.packed())
    rows: list[Any] = await pipeline.execute() if wanted else []
    return [model.unpack_record(row) if row else None for row in rows]


async def recorded_between(
    redis: Redis, partition: keys.PartitionKeys, mark: str, top: str
) -> dict[ids.DeliveryKey, model.Record]:
    """Every record of events after the mark up to `top`; what a new owner must not send again.

    Visits the record hashes of those minutes only; with a long backlog nearly all of them do not exist.
    """
    after, last = ids.parse_stream_id(mark), ids.parse_stream_id(top)
    first_minute = after[0] // ids.MINUTE_MS
    if not after[0]:
        first: Any = await redis.xrange(partition.log, count=1)
        first_minute = ids.parse_stream_id(first[0][0])[0] // ids.MINUTE_MS if first else last[0] // ids.MINUTE_MS
    found: dict[ids.DeliveryKey, model.Record] = {}
    for minute in await with_records(redis, partition, range(first_minute, last[0] // ids.MINUTE_MS + 1)):
        async for field, value in redis.hscan_iter(partition.records(minute), count=1_000):
            key = ids.unpack_key(field, partition.number)
            if (key.ms, key.seq) > after and not key.run:
                found[key] = model.unpack_record(value)
    return found


async def with_records(redis: Redis, partition: keys.PartitionKeys, minutes: Sequence[int]) -> list[int]:
    """Those of the minutes (of acceptance, since the epoch) that have records."""
    found: list[int] = []
    for start in range(0, len(minutes), 1_000):
        chunk = minutes[start : start + 1_000]
        pipeline = redis.pipeline(transaction=False)
        for minute in chunk:
            pipeline.exists(partition.records(minute))
        found += [m for m, there in zip(chunk, await pipeline.execute(), strict=True) if there]
    return found
