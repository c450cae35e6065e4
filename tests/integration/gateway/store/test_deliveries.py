"""settle.lua: every transition, done once, twice, with a wrong token, with a wrong mark, from a wrong record."""

import itertools
from typing import Any, NamedTuple

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.model.event import NewEvent
from gateway.store import deliveries, keys, leases, ledger, log, schedule, scripts, work

LATER = 4_000_000_000_000
PENDING = Record(State.PENDING, changed_ms=1)
NOT_BEFORE = Record(State.PENDING, due_ms=LATER, changed_ms=1)
SCHEDULED = Record(State.SCHEDULED, attempts=1, status=500, error=AttemptError.HTTP_STATUS, due_ms=LATER, changed_ms=2)
HELD = Record(State.HELD, Reason.PAUSED, changed_ms=2)
BROKEN = Record(State.HELD, Reason.BREAKER, changed_ms=2)
IN_LINE = Record(State.HELD, Reason.ORDER, changed_ms=2, chain=7)
FIRST_IN_LINE = Record(State.SCHEDULED, attempts=1, due_ms=LATER, changed_ms=6, chain=7)
DELIVERED = Record(State.DELIVERED, attempts=1, status=200, changed_ms=3)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3, 500, AttemptError.HTTP_STATUS, changed_ms=4)
SKIPPED = Record(State.SKIPPED, Reason.ENDPOINT_DISABLED, changed_ms=5)
RECORDS = (PENDING, NOT_BEFORE, SCHEDULED, HELD, BROKEN, IN_LINE, FIRST_IN_LINE, DELIVERED, DEAD, SKIPPED)
PAIRS = [(before, after) for before, after in itertools.product((None, *RECORDS), RECORDS) if before != after]


def name(record: Record | None) -> str:
    if record is None:
        return "none"
    held = f"_{record.reason.name.lower()}" if record.state is State.HELD else ""
    return record.state.name.lower() + held + ("_due" if record.due_ms else "") + ("_first" if record.chain else "")


class Bench(NamedTuple):
    """One partition, owned, with one unread event."""

    redis: Redis
    partition: keys.PartitionKeys
    token: str
    address: ids.Address

    def key(self, endpoint: int = 15, run: int = 0) -> ids.DeliveryKey:
        return ids.DeliveryKey(*self.address, endpoint, run)

    def call(self, mark: str = deliveries.START, token: str | None = None) -> deliveries.Settle:
        return deliveries.Settle(self.partition, token or self.token, mark)

    async def change(self, before: Record | None, after: Record, **more: Any) -> deliveries.Settled:
        call = self.call(more.pop("mark", deliveries.START), more.pop("token", None))
        call.transition(deliveries.Transition(more.pop("key", self.key()), before, after, **more))
        return await call.send(self.redis)

    async def record(self, key: ids.DeliveryKey | None = None) -> Record | None:
        return (await deliveries.read(self.redis, self.partition, [key or self.key()]))[0]

    async def counters(self) -> dict[str, int]:
        return {name: n for name, n in (await ledger.snapshot(self.redis, self.partition)).counters.items() if n}

    async def places(self) -> set[str]:
        p, packed = self.partition, self.key().packed()
        sets = {"open": p.open, "dead": p.dead, "due": p.due, "lane": p.lane(15)}
        found = {name for name, key in sets.items() if await self.redis.zscore(key, packed) is not None}
        (head,) = await schedule.chain_heads(self.redis, p, [schedule.ChainId(15, 7)])
        found |= {"order"} if head == self.key() else set()
        assert await self.redis.zcard(p.order) == (head is not None)
        lanes: Any = await self.redis.smembers(p.lanes)
        assert lanes == ({b"15"} if "lane" in found else set())
        return found


@pytest.fixture
async def bench(redis: Redis) -> Bench:
    partition = keys.PartitionKeys(0, 4)
    taken = await leases.take(redis, partition, "me", leases.Lease("", "", 0))
    assert taken is not None
    append = log.Append(partition, [NewEvent("/t", "order.placed", b"1")])
    (answer,) = await scripts.run_all(redis, [append.call])
    (appended,) = append.read(answer)
    assert appended.address is not None
    return Bench(redis, partition, taken.token, appended.address)


def places_of(record: Record) -> set[str]:
    open_ = {"open"} if record.state in model.OPEN_STATES else set()
    due = {"due"} if record.due_ms else set()
    held = record.state is State.HELD and record.reason in {Reason.PAUSED, Reason.BREAKER}
    lane = {"lane"} if held or (record.state is State.PENDING and not record.due_ms) else set()
    order = {"order"} if record.chain else set()
    return open_ | due | lane | order | ({"dead"} if record.state is State.DEAD else set())


@pytest.mark.parametrize(("before", "after"), PAIRS, ids=[f"{name(a)}-{name(b)}" for a, b in PAIRS])
async def test_a_transition_moves_record_place_and_counter_together(
    bench: Bench, before: Record | None, after: Record
) -> None:
    if before is not None:
        assert (await bench.change(None, before)).code == "K"
    expected = "2" if bench.redis.__class__.__name__ == "RepeatingRedis" else "1"
    for outcome in (expected, "2"):
        assert await bench.change(before, after) == ("K", outcome)
        assert await bench.record() == after
        assert await bench.places() == places_of(after)
        counted = {"accepted": 1, "unread": 1, "created": 1, after.state.name.lower(): 1}
        counted |= {f"held_{after.reason.name.lower()}": 1} if after.state is State.HELD else {}
        counted |= {"chained": 1} if after.chain else {}
        assert await bench.counters() == counted


@pytest.mark.parametrize("before", [None, *RECORDS], ids=name)
async def test_a_wrong_token_changes_nothing(bench: Bench, before: Record | None) -> None:
    if before is not None:
        await bench.change(None, before)
    counted, places = await bench.counters(), await bench.places()
    after = DELIVERED if before is not DELIVERED else DEAD
    call = bench.call(token="another")
    call.transition(deliveries.Transition(bench.key(), before, after, b"attempt", announce=True))
    call.index(bench.address, [15])
    call.passed(deliveries.Passed(bench.address, [15]))
    call.timing("count", 1)
    assert await call.send(bench.redis) == ("T", "0")
    assert await bench.record() == before
    assert (await bench.counters(), await bench.places()) == (counted, places)
    for key in (bench.partition.fanned, bench.partition.outbox, bench.partition.timing):
        assert not await bench.redis.exists(key)
    assert await bench.redis.get(bench.partition.recorded) == deliveries.START.encode()


async def test_an_orphan_is_settled_without_the_token_and_only_from_the_record_that_was_left(bench: Bench) -> None:
    await bench.change(None, NOT_BEFORE)
    assert (await bench.change(SCHEDULED, DELIVERED, token="former", orphan=True)) == ("T", "0")
    answer = await bench.change(NOT_BEFORE, DELIVERED, token="former", orphan=True)
    assert answer.code == "T"
    assert await bench.record() == DELIVERED
    assert (await bench.counters())["delivered"] == 1
    assert await bench.places() == set()


@pytest.mark.parametrize("wrong", [record for record in RECORDS if record is not SCHEDULED], ids=name)
async def test_another_record_than_the_expected_one_is_refused(bench: Bench, wrong: Record) -> None:
    await bench.change(None, SCHEDULED)
    after = Record(State.DELIVERED, attempts=2, status=201, changed_ms=9)
    counted = await bench.counters()
    assert await bench.change(wrong, after) == ("K", "0")
    assert await bench.change(None, after) == ("K", "0")
    assert await bench.record() == SCHEDULED
    assert await bench.counters() == counted


async def test_the_mark_passes_with_its_records_once(bench: Bench) -> None:
    def passing(mark: str = deliveries.START) -> deliveries.Settle:
        call = bench.call(mark)
        call.transition(deliveries.Transition(bench.key(), None, DELIVERED, b"attempt"))
        call.index(bench.address, [15])
        call.passed(deliveries.Passed(bench.address, [15]))
        call.timing("count", 1)
        return call

    for _ in range(3):
        assert (await passing().send(bench.redis)).code == "K"
    counted = {"accepted": 1, "fanned": 1, "created": 1, "delivered": 1, "attempts": 1}
    assert await bench.counters() == counted
    assert await bench.redis.get(bench.partition.recorded) == bench.address.stream_id.encode()
    assert await bench.redis.xlen(bench.partition.fanned) == 1
    assert await bench.redis.xlen(bench.partition.endpoint_index(15)) == 1
    assert await bench.redis.hget(bench.partition.timing, "count") == b"1"
    assert (await passing("7-7").send(bench.redis)) == ("K", "2"), "the mark is where this call would put it"
    assert (await bench.call("7-7").send(bench.redis)).code == "M"


async def test_a_repeated_call_that_moves_no_mark_counts_its_attempts_once(bench: Bench) -> None:
    call = bench.call()
    call.transition(deliveries.Transition(bench.key(), None, SCHEDULED, b"attempt"))
    call.timing("count", 1)
    for _ in range(3):
        assert (await call.send(bench.redis)).code == "K"
    assert await bench.redis.hget(bench.partition.timing, "count") == b"1"
    assert await bench.counters() == {
        "accepted": 1, "unread": 1, "created": 1, "scheduled": 1, "attempts": 1, "failed": 1
    }  # fmt: skip


async def test_an_unmatched_event_is_counted_once(bench: Bench) -> None:
    call = bench.call()
    call.passed(deliveries.Passed(bench.address, []))
    for _ in range(2):
        await call.send(bench.redis)
    assert await bench.counters() == {"accepted": 1, "unmatched": 1}
    assert await bench.redis.xlen(bench.partition.unmatched) == 1


async def test_a_deleted_mark_is_the_one_that_its_owner_knows(bench: Bench) -> None:
    await bench.redis.delete(bench.partition.recorded)
    assert (await bench.change(None, DELIVERED)).code == "K"
    assert await bench.redis.get(bench.partition.recorded) == deliveries.START.encode()
    await bench.redis.delete(bench.partition.recorded)
    call = bench.call()
    call.passed(deliveries.Passed(bench.address, [15]))
    assert (await call.send(bench.redis)).code == "K"
    assert await bench.redis.get(bench.partition.recorded) == bench.address.stream_id.encode()
    assert (await bench.counters())["fanned"] == 1


async def test_lanes_of_two_endpoints_do_not_touch_each_other(bench: Bench) -> None:
    """Struct.unpack gives a second value, 15 here: the number of another endpoint."""
    other = bench.key(endpoint=3)
    await bench.change(None, PENDING)
    await bench.change(None, PENDING, key=other)
    assert await schedule.lane_sizes(bench.redis, bench.partition) == {3: 1, 15: 1}
    await bench.change(PENDING, DELIVERED, key=other)
    assert await schedule.lane_sizes(bench.redis, bench.partition) == {15: 1}


async def test_an_order_and_the_counts_of_its_replay_go_with_the_attempt(bench: Bench) -> None:
    key = bench.key(run=7)
    await bench.redis.set(bench.partition.recorded, bench.address.stream_id)
    mark = bench.address.stream_id
    (ordered,) = await work.order(bench.redis, bench.partition, [key], work.Kind.AGAIN, 7)
    assert ordered.answer == "queued"
    after = Record(State.DELIVERED, attempts=1, status=200, changed_ms=3, run=7)
    more: dict[str, Any] = {"late": True, "ordered": True, "replayed": True}
    await bench.change(None, after, key=key, mark=mark, attempt=b"a", **more)
    assert await bench.redis.hlen(bench.partition.work) == 0
    assert await bench.redis.hgetall(bench.partition.replayed) == {b"7:sent": b"1", b"7:delivered": b"1"}
    assert await bench.redis.hget(bench.partition.late, mark) == key.packed()[10:18]
    assert await bench.redis.zcard(bench.partition.late_index(15)) == 1


async def test_dead_letters_are_announced_with_the_transition(bench: Bench) -> None:
    for record in (DEAD, Record(State.DEAD, changed_ms=8)):
        await bench.change(await bench.record(), record, announce=True)
    assert await bench.redis.hget(bench.partition.outbox, "15:dead") == bench.key().packed()
    assert await bench.redis.hget(bench.partition.outbox, "15:dead:count") == b"2"


async def test_what_a_new_owner_must_not_send_again(bench: Bench) -> None:
    await bench.change(None, DELIVERED)
    await bench.change(None, DELIVERED, key=bench.key(run=3), late=True)
    top = bench.address.stream_id
    found = await deliveries.recorded_between(bench.redis, bench.partition, deliveries.START, top)
    assert found == {bench.key(): DELIVERED}
    assert await deliveries.recorded_between(bench.redis, bench.partition, top, top) == {}
