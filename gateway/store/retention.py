"""Retention: what leaves the log, when, and what is kept of it. Run by the partition's owner alone.

An event leaves when it is older than the retention, or, above the memory mark, when it is the oldest; never before the
recorded mark has passed it. Its finished deliveries go with it; open ones (and dead ones, if memory was the reason)
stay, and with them the event in `kept`, so that nothing pins the log. Kept events go when their last delivery ends and
their time has come.

Deciding reads, removing is trim.lua, which looks again: what was opened or ordered meanwhile lets the whole page wait.
"""

import struct
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.model import event as events
from gateway.store import keys, leases, log, scripts

PAGE = 128
KEPT_PAGE = 256
MAX_STEPS = 256
_DELIVERY_ARGUMENTS = 6
_LATE = struct.Struct(">II")
_STAYS = frozenset(model.OPEN_STATES)


class Cut(NamedTuple):
    """What may go: events accepted before `before_ms`; `early` when memory and not age is the reason."""

    before_ms: int
    early: bool


class Leaving(NamedTuple):
    """One event on its way out: its header (None if unreadable), its deliveries and which of them are late."""

    address: ids.Address
    header: events.Event | None
    live: list[ids.DeliveryKey]
    late: list[ids.DeliveryKey]


class Kept(NamedTuple):
    """How many kept events left, and the cursor from which to look on, 0 at the end."""

    left: int
    cursor: int


class Trim:
    """Builds calls of trim.lua for one partition; each at most 256 steps."""

    def __init__(self, partition: keys.PartitionKeys, count: int) -> None:
        self._p, self._count = partition, count
        self._calls: list[tuple[list[str], list[scripts.Argument], list[scripts.Argument]]] = []
        self._positions: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        p = self._p
        names = [
            p.lease, p.log, p.fanned, p.unmatched, p.ids, p.unclaim,
            p.kept, p.late, p.trimmed, p.dead, p.types, p.recorded, p.work,
        ]  # fmt: skip
        self._calls.append((names, [], []))
        self._positions = {}

    def _position(self, key: str) -> int:
        names = self._calls[-1][0]
        position = self._positions.get(key)
        if position is None:
            names.append(key)
            position = self._positions[key] = len(names)
        return position

    def delivery(self, key: ids.DeliveryKey, *, late: bool, stays: bool) -> None:
        """Remove a delivery, or let it stay."""
        if len(self._calls[-1][1]) >= MAX_STEPS * _DELIVERY_ARGUMENTS:
            self._begin()
        p, kind = self._p, "l" if late else "e"
        self._calls[-1][1].extend((
            key.packed(), self._position(p.records(key.minute)), self._position(p.attempts(key.minute)),
            self._position(p.endpoint_index(key.endpoint)), self._position(p.late_index(key.endpoint)),
            kind.upper() if stays else kind,
        ))  # fmt: skip

    def event(self, leaving: Leaving, stay: Sequence[ids.DeliveryKey]) -> None:
        """Remove an event, after its deliveries."""
        p, header = self._p, leaving.header
        given = header.id if header and header.id != leaving.address.event_id else ""
        away = given and ids.partition_of(given, self._count) != p.number
        subject = (
            self._position(p.subject_index(log.subject_bucket(header.subject))) if header and header.subject else 0
        )
        self._calls[-1][2].extend((
            leaving.address.stream_id, given, "1" if away else "0", header.type if header else "",
            self._position(p.type_index(header.type)) if header and header.type else 0, subject,
            b"".join(_LATE.pack(key.endpoint, key.run) for key in stay),
        ))  # fmt: skip

    async def send(self, redis: Redis, token: str) -> bool:
        """Run the calls in order; False when the lease is lost, or when something is still wanted after all."""
        for names, deliveries, leaving in self._calls:
            sizes = (len(deliveries) // _DELIVERY_ARGUMENTS, len(leaving) // 7)
            args = [token, *sizes, *deliveries, *leaving]
            if (deliveries or leaving) and await scripts.load("trim")(redis, names, args) != 1:
                return False
        return True


async def trim(
    redis: Redis, partition: keys.PartitionKeys, count: int, token: str, cut: Cut, in_hand: Collection[ids.DeliveryKey]
) -> int:
    """Remove up to a page of the oldest events; how many left. `count` is the deployment's partition count."""
    mark = await redis.get(partition.recorded)
    oldest = await _oldest(redis, partition, cut.before_ms, mark.decode() if isinstance(mark, bytes) else "0-0")
    if not oldest:
        return 0
    return await _remove(redis, partition, count, token, oldest, in_hand, keep_dead=cut.early)


async def trim_kept(
    redis: Redis, partition: keys.PartitionKeys, count: int, token: str, before_ms: int,
    in_hand: Collection[ids.DeliveryKey], cursor: int = 0,
) -> Kept:  # fmt: skip
    """Remove kept events that have nothing open any more and were accepted before `before_ms`: one page of them.

    Goes along `late`, which names the deliveries that stayed: bodies are read of those only that may leave.
    """
    reply: Any = await redis.hscan(partition.late, cursor, count=KEPT_PAGE)
    after, rows = reply
    oldest = await _oldest_id(redis, partition)
    late: dict[ids.Address, list[ids.DeliveryKey]] = {}
    for field, packed in rows.items():
        address = ids.Address(*ids.parse_stream_id(field), partition.number)
        if address.ms < before_ms and (oldest is None or address[:2] < oldest):
            late[address] = _late_keys(address, packed)
    wanted = [key for found in late.values() for key in found]
    staying = {key.address for key in await _staying(redis, partition, wanted, in_hand, keep_dead=False)}
    done = [address for address in late if address not in staying]
    left = 0
    for start in range(0, len(done), PAGE):
        page = done[start : start + PAGE]
        bodies: Any = await redis.hmget(partition.kept, [address.stream_id for address in page])
        leaving = [Leaving(a, _kept_header(a, body), [], late[a]) for a, body in zip(page, bodies, strict=True)]
        left += await _remove(redis, partition, count, token, leaving, in_hand, keep_dead=False)
    return Kept(left, after)


async def release_claims(redis: Redis, partitions: Sequence[keys.PartitionKeys], number: int) -> int:
    """Release the claims of given ids whose events left partition `number`, unless the id was used there again."""
    source = partitions[number]
    given: list[Any] = await redis.lrange(source.unclaim, 0, MAX_STEPS - 1)
    if not given:
        return 0
    again: Any = await redis.hmget(source.ids, given)
    by_home: dict[int, list[bytes]] = {}
    for name, address in zip(given, again, strict=True):
        if address is None:
            by_home.setdefault(ids.partition_of(name.decode(), len(partitions)), []).append(name)
    for home, names in by_home.items():
        await scripts.load("unclaim")(redis, [partitions[home].claims], [number, *names])
    await scripts.load("unclaim_done")(redis, [source.unclaim], given)
    return len(given)


async def fold(redis: Redis, partition: keys.PartitionKeys, token: str, before_ms: int) -> int:
    """Fold the counters of hours before the oldest thing that is left; how many fields."""
    oldest = await _oldest_id(redis, partition)
    waiting: Any = await redis.hlen(partition.kept)
    limit = min(before_ms, oldest[0]) if oldest else before_ms
    if waiting:
        return 0
    fields: Any = await redis.hkeys(partition.counters)
    old = [field for field in fields if 0 < int(field.split(b":")[0]) < limit // ids.HOUR_MS]
    if not old:
        return 0
    return int(
        await scripts.load("fold")(redis, [partition.lease, partition.counters, partition.trimmed], [token, *old])
    )


async def _oldest_id(redis: Redis, partition: keys.PartitionKeys) -> tuple[int, int] | None:
    """The first entry of the log: what is older has left it."""
    rows = await scripts.load("scan")(redis, [partition.log, partition.log], ("asc", "-", "+", 1))
    return ids.parse_stream_id(rows[1]) if len(rows) > 1 else None


async def _oldest(redis: Redis, partition: keys.PartitionKeys, before_ms: int, mark: str) -> list[Leaving]:
    if before_ms <= 0:
        return []
    rows = await scripts.load("scan")(redis, [partition.log, partition.log], ("asc", "-", f"({before_ms}-0", PAGE))
    leaving: list[Leaving] = []
    for stream_id, header in zip(rows[1::3], rows[2::3], strict=True):
        if not leases.is_behind(stream_id.decode(), mark):
            break
        address = ids.Address(*ids.parse_stream_id(stream_id), partition.number)
        leaving.append(Leaving(address, _header(address, header), [], []))
    if not leaving:
        return []
    first, last = leaving[0].address.stream_id, leaving[-1].address.stream_id
    rows = await redis.execute_command("XRANGE", partition.fanned, first, last)
    fanned: Any = dict(rows)
    late: Any = await redis.hmget(partition.late, [one.address.stream_id for one in leaving])
    for one, extra in zip(leaving, late, strict=True):
        numbers = fanned.get(one.address.stream_id.encode(), {}).get(b"e", b"")
        one.live.extend(ids.DeliveryKey(*one.address, n) for (n,) in struct.iter_unpack(">I", numbers))
        one.late.extend(_late_keys(one.address, extra))
    return leaving


async def _remove(
    redis: Redis, partition: keys.PartitionKeys, count: int, token: str, leaving: Sequence[Leaving],
    in_hand: Collection[ids.DeliveryKey], *, keep_dead: bool,
) -> int:  # fmt: skip
    wanted = [key for one in leaving for key in (*one.live, *one.late)]
    staying = await _staying(redis, partition, wanted, in_hand, keep_dead=keep_dead)
    calls = Trim(partition, count)
    for one in leaving:
        for key in one.live:
            calls.delivery(key, late=False, stays=key in staying)
        for key in one.late:
            calls.delivery(key, late=True, stays=key in staying)
        calls.event(one, [key for key in (*one.live, *one.late) if key in staying])
    return len(leaving) if await calls.send(redis, token) else 0


async def _staying(
    redis: Redis, partition: keys.PartitionKeys, wanted: Sequence[ids.DeliveryKey],
    in_hand: Collection[ids.DeliveryKey], *, keep_dead: bool,
) -> set[ids.DeliveryKey]:  # fmt: skip
    if not wanted:
        return set()
    pipeline = redis.pipeline(transaction=False)
    for key in wanted:
        pipeline.hget(partition.records(key.minute), key.packed())
        pipeline.hexists(partition.work, key.packed())
    answers: list[Any] = await pipeline.execute()
    staying = set()
    for key, record, ordered in zip(wanted, answers[::2], answers[1::2], strict=True):
        state = record[0] if record else 0
        if key in in_hand or ordered or state in _STAYS or (keep_dead and state == model.State.DEAD):
            staying.add(key)
    return staying


def _late_keys(address: ids.Address, packed: bytes | str | None) -> list[ids.DeliveryKey]:
    raw = packed if isinstance(packed, bytes) else b""
    return [ids.DeliveryKey(*address, endpoint, run) for endpoint, run in _LATE.iter_unpack(raw)]


def _header(address: ids.Address, header: bytes) -> events.Event | None:
    try:
        return events.unpack(address, header, b"")
    except events.EventUnreadable:
        return None


def _kept_header(address: ids.Address, value: bytes | None) -> events.Event | None:
    try:
        return log.unpack_kept(address, value) if value else None
    except events.EventUnreadable:
        return None
