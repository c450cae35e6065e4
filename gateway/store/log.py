"""The log: one stream per partition, appended by the gateway, read by the partition's owner.

Appending is one script per partition and flush; many partitions share one round trip, and so one fsync. A reply that
was lost is answered again from the flush key, so that a repetition never writes twice.
"""

import enum
import secrets
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model import event as events
from gateway.store import keys, scripts

FLUSH_TTL_MS = 60_000
MAX_ITEMS = 256
MAX_BYTES = 512 * 1024
_FIRST = struct.Struct(">QI")
_CLAIM = struct.Struct(">HBQ")
_HERE = 0xFFFF
_INDEXES = struct.Struct(">HH")
_NONE = 0


class Outcome(enum.IntEnum):
    """What became of an append; append.lua writes the same numbers."""

    NEW = 0
    DUPLICATE = 1
    CONFLICT = 2


class Appended(NamedTuple):
    """One event's outcome and address; in a conflict the address of the other event, None if it lies elsewhere."""

    outcome: Outcome
    address: ids.Address | None


class Claim(NamedTuple):
    """Who holds a given id: `partition` None when its event lies in the id's own partition."""

    partition: int | None
    same_digest: bool
    age_ms: int


class Append:
    """One call of append.lua: events of one partition, at most 256 and 512 KB. Safe to run again as it is.

    `headers` are those of the events, if they are known already.
    """

    def __init__(
        self,
        partition: keys.PartitionKeys,
        new_events: Sequence[events.NewEvent],
        headers: Sequence[bytes] | None = None,
    ) -> None:
        self.partition = partition.number
        self.count = len(new_events)
        self.keys = [partition.log, partition.ids, partition.claims, partition.counters, partition.types]
        self.keys.append(partition.flush(secrets.token_hex(8)))
        self._positions: dict[str, int] = {}
        types: dict[str, int] = {}
        items: list[scripts.Argument] = []
        for new, header in zip(new_events, headers or [new.header() for new in new_events], strict=True):
            type_index = types.get(new.type)
            if type_index is None:
                type_index = types[new.type] = self._position(partition.type_index(new.type))
            subject_index = (
                self._position(partition.subject_index(subject_bucket(new.subject))) if new.subject else _NONE
            )
            items += (header, new.data, _INDEXES.pack(type_index, subject_index) + new.id.encode())
        named: list[scripts.Argument] = [part for pair in types.items() for part in pair]
        self.args: list[scripts.Argument] = [partition.number, FLUSH_TTL_MS, len(types), *named, *items]

    def _position(self, key: str) -> int:
        position = self._positions.get(key)
        if position is None:
            self.keys.append(key)
            position = self._positions[key] = len(self.keys)
        return position

    @property
    def call(self) -> tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]:
        """What `scripts.run_all` takes."""
        return scripts.load("append"), self.keys, self.args

    def read(self, answer: bytes) -> list[Appended]:
        """The outcomes, in the order of the events."""
        ms, seq = _FIRST.unpack_from(answer)
        count = len(answer) - _FIRST.size
        if count == self.count:
            return [Appended(Outcome.NEW, ids.Address(ms, seq + n, self.partition)) for n in range(count)]
        appended, at = [], _FIRST.size
        while at < len(answer):
            code, at = answer[at], at + 1
            if code == Outcome.NEW:
                appended.append(Appended(Outcome.NEW, ids.Address(ms, seq, self.partition)))
                seq += 1
                continue
            other_ms, other_seq = _FIRST.unpack_from(answer, at)
            at += _FIRST.size
            address = ids.Address(other_ms, other_seq, self.partition) if other_ms else None
            appended.append(Appended(Outcome(code), address))
        return appended


def subject_bucket(subject: str) -> int:
    """Which of the subject indexes has it."""
    return zlib.crc32(subject.encode()) % keys.SUBJECT_BUCKETS


def claim_call(
    home: keys.PartitionKeys, wanted: Iterable[tuple[str, int, bytes]], *, take_over: bool = False
) -> tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]:
    """Claim ids: (given id, partition of its event's ordering key, digest); `home` is the partition of the ids."""
    args: list[scripts.Argument] = ["1" if take_over else "0"]
    for one in wanted:
        args += one
    return scripts.load("claim"), [home.claims, home.ids], args


def read_claims(answer: bytes) -> list[Claim]:
    """What `claim_call` came to, in its order."""
    return [
        Claim(None if holder == _HERE else holder, same == 1, age) for holder, same, age in _CLAIM.iter_unpack(answer)
    ]


async def find(redis: Redis, partitions: Sequence[keys.PartitionKeys], event_id: str) -> ids.Address | None:
    """The address of an event by its id, given or made here; None if no such id is remembered."""
    address = ids.parse_event_id(event_id)
    if address is not None:
        return address if address.partition < len(partitions) else None
    home = partitions[ids.partition_of(event_id, len(partitions))]
    held: Any = await redis.hget(home.ids, event_id)
    claimed: Any = await redis.hget(home.claims, event_id)
    if held is None and claimed is not None:
        home = partitions[int.from_bytes(claimed[:2], "big")]
        held = await redis.hget(home.ids, event_id)
    if held is None:
        return None
    ms, seq = struct.unpack(">QI", held[:12])
    return ids.Address(ms, seq, home.number)


async def read(redis: Redis, partition: keys.PartitionKeys, address: ids.Address) -> events.Event | None:
    """One event with its data, from the log or from what retention kept; None if it is gone.

    Raises EventUnreadable for a poison entry.
    """
    found = await read_many(redis, partition, [address])
    return found[0]


async def read_many(
    redis: Redis, partition: keys.PartitionKeys, addresses: Iterable[ids.Address]
) -> list[events.Event | None]:
    """Events by address, None for those that are gone; one round trip. Raises EventUnreadable if one is poison."""
    found: list[events.Event | None] = []
    for each in await read_each(redis, partition, addresses):
        if isinstance(each, events.EventUnreadable):
            raise each
        found.append(each)
    return found


async def read_each(
    redis: Redis, partition: keys.PartitionKeys, addresses: Iterable[ids.Address]
) -> list[events.Event | events.EventUnreadable | None]:
    """The same with the error in the place of what is poison, so that it harms no other."""
    wanted = list(addresses)
    pipeline = redis.pipeline(transaction=False)
    for address in wanted:
        pipeline.xrange(partition.log, address.stream_id, address.stream_id)
        pipeline.hget(partition.kept, address.stream_id)
    answers = await pipeline.execute()
    return [_event(address, answers[2 * i], answers[2 * i + 1]) for i, address in enumerate(wanted)]


def _event(
    address: ids.Address, entries: list[tuple[bytes, dict[bytes, bytes]]], kept: bytes | None
) -> events.Event | events.EventUnreadable | None:
    try:
        if entries:
            fields = entries[0][1]
            return events.unpack(address, fields.get(b"h"), fields.get(b"d"))
        return None if kept is None else unpack_kept(address, kept)
    except events.EventUnreadable as error:
        return error


def unpack_kept(address: ids.Address, kept: bytes) -> events.Event:
    """An event that retention took out of the log: header length (>I), header, data."""
    end = 4 + int.from_bytes(kept[:4], "big")
    return events.unpack(address, kept[4:end], kept[end:])


def entry_fields(raw: Any) -> tuple[bytes | None, bytes | None]:
    """(header, data) of a raw stream entry's flat field list, or of a mapping."""
    fields = raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=False))
    return fields.get(b"h"), fields.get(b"d")
