"""append.lua and claim.lua, each also with its first reply lost."""

import asyncio
import struct
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.event import EventUnreadable, NewEvent
from gateway.store import keys, ledger, log, scripts
from gateway.store.log import Appended, Outcome

COUNT = 4
PARTITIONS = [keys.PartitionKeys(number, COUNT) for number in range(COUNT)]


def event(event_id: str = "", data: bytes = b'{"n":1}', **fields: Any) -> NewEvent:
    return NewEvent(**{"source": "/t", "type": "order.placed", "data": data, "id": event_id, **fields})


async def send(redis: Redis, append: log.Append) -> list[Appended]:
    script, names, args = append.call
    return append.read(await script(redis, names, args))


async def append(redis: Redis, *events: NewEvent, partition: int = 0) -> list[Appended]:
    return await send(redis, log.Append(PARTITIONS[partition], events))


async def claim(redis: Redis, new: NewEvent, partition: int, *, take_over: bool = False) -> log.Claim:
    home = PARTITIONS[ids.partition_of(new.id, COUNT)]
    script, names, args = log.claim_call(home, [(new.id, partition, new.digest())], take_over=take_over)
    (found,) = log.read_claims(await script(redis, names, args))
    return found


def elsewhere(event_id: str) -> int:
    """A partition that is not the id's own."""
    return (ids.partition_of(event_id, COUNT) + 1) % COUNT


async def counters(redis: Redis, partition: int = 0) -> tuple[int, int]:
    totals = (await ledger.snapshot(redis, PARTITIONS[partition])).counters
    return totals["accepted"], totals["unread"]


async def test_events_are_stored_indexed_and_counted(redis: Redis) -> None:
    found = await append(redis, event(subject="a"), event(type="user.made"), event())
    assert [one.outcome for one in found] == [Outcome.NEW] * 3
    addresses = [one.address for one in found if one.address]
    assert addresses == sorted(addresses)
    assert await redis.xlen(PARTITIONS[0].log) == 3
    assert await redis.xlen(PARTITIONS[0].type_index("order.placed")) == 2
    assert await redis.xlen(PARTITIONS[0].subject_index(log.subject_bucket("a"))) == 1
    assert await redis.smembers(PARTITIONS[0].types) == {b"order.placed", b"user.made"}
    assert await counters(redis) == (3, 3)
    read = await log.read(redis, PARTITIONS[0], addresses[0])
    assert read is not None
    assert (read.id, read.subject, read.data, read.is_intact()) == (addresses[0].event_id, "a", b'{"n":1}', True)


async def test_a_flush_is_written_once_however_often_it_is_sent(redis: Redis) -> None:
    one = log.Append(PARTITIONS[0], [event(), event("given")])
    first = await send(redis, one)
    assert await send(redis, one) == first
    assert await send(redis, log.Append(PARTITIONS[0], [event(), event("given")])) != first
    assert await redis.xlen(PARTITIONS[0].log) == 3
    assert 0 < await redis.pttl(one.keys[5]) <= log.FLUSH_TTL_MS


async def test_the_same_id_is_the_same_event_or_a_conflict(redis: Redis) -> None:
    (first,) = await append(redis, event("a"))
    (same,) = await append(redis, event("a"))
    (other,) = await append(redis, event("a", b"2"))
    assert same == Appended(Outcome.DUPLICATE, first.address)
    assert other == Appended(Outcome.CONFLICT, first.address)
    await append(redis, event("a", type="never.stored"))
    assert await redis.smembers(PARTITIONS[0].types) == {b"order.placed"}
    assert await counters(redis) == (1, 1)


@pytest.mark.parametrize(
    "changed",
    [{"source": "/u"}, {"type": "x"}, {"subject": "s"}, {"partitionkey": "k"}, {"subscriber": "s"}, {"time": "t"}],
)
async def test_anything_else_than_the_same_is_a_conflict(redis: Redis, changed: dict[str, Any]) -> None:
    await append(redis, event("a"))
    (other,) = await append(redis, event("a", **changed))
    assert other.outcome is Outcome.CONFLICT


async def test_one_id_twice_in_a_flush_is_one_event(redis: Redis) -> None:
    found = await append(redis, event("a"), event("a"), event("a", b"2"))
    assert [one.outcome for one in found] == [Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT]
    assert len({one.address for one in found}) == 1


async def test_a_hundred_at_once_are_one_event(redis: Redis) -> None:
    found = await asyncio.gather(*(append(redis, event("a")) for _ in range(100)))
    outcomes = [one.outcome for (one,) in found]
    # with lost first replies each client finds its own event as the flush key has it
    assert outcomes.count(Outcome.NEW) == 1
    assert len({one.address for (one,) in found}) == 1
    assert await redis.xlen(PARTITIONS[0].log) == 1


async def test_a_claim_holds_an_id_for_another_partition(redis: Redis) -> None:
    new = event("a", subject="s")
    target = elsewhere("a")
    assert (await claim(redis, new, target))[:2] == (target, True)
    (found,) = await append(redis, new, partition=target)
    assert found.outcome is Outcome.NEW
    again = await claim(redis, new, target)
    assert (again.partition, again.same_digest) == (target, True)
    assert (await append(redis, new, partition=target))[0].outcome is Outcome.DUPLICATE
    home = ids.partition_of("a", COUNT)
    assert await append(redis, event("a"), partition=home) == [Appended(Outcome.CONFLICT, None)]
    assert await log.find(redis, PARTITIONS, "a") == found.address


async def test_a_hundred_at_once_with_an_ordering_key_are_one_event(redis: Redis) -> None:
    new, target = event("a", subject="s"), elsewhere("a")

    async def publish() -> Appended:
        assert (await claim(redis, new, target)).partition == target
        return (await append(redis, new, partition=target))[0]

    found = await asyncio.gather(*(publish() for _ in range(100)))
    assert len({one.address for one in found}) == 1
    assert {one.outcome for one in found} == {Outcome.NEW, Outcome.DUPLICATE}
    assert await redis.xlen(PARTITIONS[target].log) == 1


async def test_a_claim_says_that_the_event_lies_at_home(redis: Redis) -> None:
    new = event("a")
    await append(redis, new, partition=ids.partition_of("a", COUNT))
    assert await claim(redis, new, 0) == log.Claim(None, same_digest=True, age_ms=0)
    assert await claim(redis, event("a", subject="s"), elsewhere("a")) == log.Claim(None, same_digest=False, age_ms=0)
    found = await claim(redis, event("a", subject="s"), elsewhere("a"), take_over=True)
    assert found.partition is None


async def age(redis: Redis, event_id: str, ms: int) -> None:
    """Make a claim older."""
    home = PARTITIONS[ids.partition_of(event_id, COUNT)]
    held: Any = await redis.hget(home.claims, event_id)
    (at_ms,) = struct.unpack(">Q", held[18:])
    await redis.hset(home.claims, event_id, held[:18] + struct.pack(">Q", at_ms - ms))


async def test_a_claim_without_its_event_yields_after_a_minute_and_not_before(redis: Redis) -> None:
    first, other = event("a", subject="s"), event("a", subject="t")
    target = elsewhere("a")
    await claim(redis, first, target)
    for ms, ask in ((0, True), (59_000, True), (2_000, False)):
        await age(redis, "a", ms)
        assert (await claim(redis, other, 3, take_over=ask)).same_digest is False
    assert (await claim(redis, other, 3, take_over=True))[:2] == (3, True)
    assert (await claim(redis, first, target, take_over=True)).same_digest is False
    assert (await append(redis, other, partition=3))[0].outcome is Outcome.NEW


async def test_the_retry_of_the_same_event_completes_its_old_claim(redis: Redis) -> None:
    new = event("a", subject="s")
    target = elsewhere("a")
    await claim(redis, new, target)
    await age(redis, "a", 3_600_000)
    found = await claim(redis, new, target)
    assert (found.partition, found.same_digest) == (target, True)
    assert (await claim(redis, new, target)).age_ms < 60_000


async def test_ids_are_found_wherever_they_lie(redis: Redis) -> None:
    (made,) = await append(redis, event(), partition=2)
    assert made.address is not None
    assert await log.find(redis, PARTITIONS, made.address.event_id) == made.address
    assert await log.find(redis, PARTITIONS[:2], made.address.event_id) is None
    assert await log.find(redis, PARTITIONS, "unknown") is None
    await claim(redis, event("claimed", subject="s"), elsewhere("claimed"))
    assert await log.find(redis, PARTITIONS, "claimed") is None


async def test_poison_is_told_in_its_place_and_harms_no_other(redis: Redis) -> None:
    (good,) = await append(redis, event())
    added: Any = await redis.xadd(PARTITIONS[0].log, {"x": "garbage"})
    assert good.address is not None
    poison = ids.Address(*ids.parse_stream_id(added), 0)
    gone = ids.Address(1, 0, 0)
    found = await log.read_each(redis, PARTITIONS[0], [poison, gone, good.address])
    assert isinstance(found[0], EventUnreadable)
    assert found[1] is None
    assert not isinstance(found[2], EventUnreadable)
    assert found[2] is not None
    with pytest.raises(EventUnreadable):
        await log.read(redis, PARTITIONS[0], poison)
    assert await log.read(redis, PARTITIONS[0], gone) is None


async def test_a_kept_event_is_read_like_any_other(redis: Redis) -> None:
    (found,) = await append(redis, event("a", subject="s"))
    assert found.address is not None
    before = await log.read(redis, PARTITIONS[0], found.address)
    entries: Any = await redis.xrange(PARTITIONS[0].log)
    ((_, fields),) = entries
    header, data = log.entry_fields(fields)
    assert header is not None
    assert data is not None
    kept = struct.pack(">I", len(header)) + header + data
    await redis.hset(PARTITIONS[0].kept, found.address.stream_id, kept)
    await redis.xdel(PARTITIONS[0].log, found.address.stream_id)
    assert await log.read(redis, PARTITIONS[0], found.address) == before
    await redis.hset(PARTITIONS[0].kept, found.address.stream_id, b"\x00\x00\x00\x05noise")
    with pytest.raises(EventUnreadable):
        await log.read(redis, PARTITIONS[0], found.address)


async def test_many_partitions_share_one_round_trip(plain_redis: Redis) -> None:
    appends = [log.Append(partition, [event(subject=str(n))]) for n, partition in enumerate(PARTITIONS)]
    answers = await scripts.run_all(plain_redis, [one.call for one in appends])
    addresses = [one.read(answer)[0].address for one, answer in zip(appends, answers, strict=True)]
    assert [address.partition for address in addresses if address] == [0, 1, 2, 3]


def test_fields_of_a_raw_entry_and_of_a_mapping() -> None:
    assert log.entry_fields([b"h", b"1", b"d", b"2"]) == (b"1", b"2")
    assert log.entry_fields({b"d": b"2"}) == (None, b"2")
    assert log.entry_fields([b"h"]) == (None, None)


async def test_one_call_has_outcomes_of_every_kind(redis: Redis) -> None:
    (known,) = await append(redis, event("known"))
    found = await append(redis, event("a"), event(), event("a"), event("a", b"2"), event("known"), event(subject="s"))
    new, plain, again, other, before, last = found
    assert [one.outcome for one in found] == [
        Outcome.NEW, Outcome.NEW, Outcome.DUPLICATE, Outcome.CONFLICT, Outcome.DUPLICATE, Outcome.NEW,
    ]  # fmt: skip
    assert new.address == again.address == other.address
    assert before.address == known.address
    entries: Any = await redis.xrange(PARTITIONS[0].log)
    stored = [ids.parse_stream_id(entry) for entry, _ in entries]
    assert [(one.address.ms, one.address.seq) for one in (known, new, plain, last) if one.address] == stored
