"""What leaves, what stays, and that the ledger still balances; each script also with its first reply lost."""

from typing import Any

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.model.event import NewEvent
from gateway.store import deliveries, ledger, log, retention, scripts, work
from tests.support.filled_store import FilledStore

DELIVERED = Record(State.DELIVERED, attempts=1, status=200)
SCHEDULED = Record(State.SCHEDULED, attempts=1, status=500, due_ms=4_000_000_000_000)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 3)
SKIPPED = Record(State.SKIPPED, Reason.ENDPOINT_DISABLED)
EVER = 4_000_000_000_000


@pytest.fixture
async def filled(redis: Redis) -> FilledStore:
    return await FilledStore.open(redis)


async def trim(filled: FilledStore, *, early: bool = False, before_ms: int = EVER, number: int = 0) -> int:
    """One page of one partition."""
    cut = retention.Cut(before_ms, early=early)
    return await retention.trim(filled.redis, filled.partitions[number], 4, filled.tokens[number], cut, ())


async def trim_kept(filled: FilledStore, before_ms: int = EVER, number: int = 0) -> int:
    left, cursor = 0, 0
    while True:
        found = await retention.trim_kept(
            filled.redis, filled.partitions[number], 4, filled.tokens[number], before_ms, (), cursor
        )
        left, cursor = left + found.left, found.cursor
        if cursor == 0:
            return left


async def change(
    filled: FilledStore, key: ids.DeliveryKey, before: Record | None, after: Record, *, late: bool = False
) -> None:
    """One transition, also when its first reply is lost."""
    mark: Any = await filled.redis.get(filled.partitions[key.partition].recorded)
    call = deliveries.Settle(filled.partitions[key.partition], filled.tokens[key.partition], mark.decode())
    call.transition(deliveries.Transition(key, before, after, late=late))
    answer = await call.send(filled.redis)
    assert answer in {("K", "1"), ("K", "2")}


async def leftovers(filled: FilledStore, number: int = 0) -> set[str]:
    """The partition's keys that are there, by their last parts."""
    prefix = filled.partitions[number].log.removesuffix("log")
    names: Any = await filled.redis.keys(f"{prefix}*")
    found = {name.decode().removeprefix(prefix).partition(":")[0] for name in names}
    return found - {"lease", "recorded", "counters", "trimmed", "flush", "fanned", "log", "unmatched", "subject"}


async def balanced(filled: FilledStore) -> bool:
    return (await ledger.recount(filled.redis, filled.partitions)).balanced


async def test_a_finished_event_leaves_nothing_behind(filled: FilledStore) -> None:
    address = await filled.publish(0, id="given", subject="s", type="a.b")
    await filled.settle(address, {1: DELIVERED, 2: DEAD, 3: SKIPPED})
    unmatched = await filled.publish(0)
    await filled.settle(unmatched, {})
    assert await trim(filled) == 2
    assert await log.read(filled.redis, filled.partitions[0], address) is None
    assert await log.find(filled.redis, filled.partitions, "given") is None
    await retention.release_claims(filled.redis, filled.partitions, 0)
    assert await leftovers(filled) == set()
    assert await balanced(filled)
    assert await trim(filled) == 0


async def test_only_what_is_old_leaves(filled: FilledStore) -> None:
    old, new = await filled.publish(0), await filled.publish(0)
    for address in (old, new):
        await filled.settle(address, {1: DELIVERED})
    assert await trim(filled, before_ms=0) == 0
    assert await trim(filled, before_ms=old.ms) == 0
    assert await trim(filled, before_ms=max(new.ms, old.ms + 1)) >= 1
    assert await balanced(filled)


async def test_nothing_leaves_before_the_mark_has_passed_it(filled: FilledStore) -> None:
    passed, unread = await filled.publish(0), await filled.publish(0)
    await filled.settle(passed, {1: DELIVERED})
    assert await trim(filled, early=True) == 1
    assert await log.read(filled.redis, filled.partitions[0], unread) is not None
    assert await balanced(filled)


async def test_the_script_itself_refuses_an_unread_event(filled: FilledStore) -> None:
    passed, unread = await filled.publish(0), await filled.publish(0)
    await filled.settle(passed, {})
    calls = retention.Trim(filled.partitions[0], 4)
    for address in (passed, unread):
        calls.event(retention.Leaving(address, None, [], []), [])
    assert not await calls.send(filled.redis, filled.tokens[0])
    assert await filled.redis.xlen(filled.partitions[0].log) == 2


@pytest.mark.parametrize(("record", "early"), [(SCHEDULED, False), (SCHEDULED, True), (DEAD, True)])
async def test_what_is_open_stays_with_its_event_and_stays_listed(
    filled: FilledStore, record: Record, *, early: bool
) -> None:
    address = await filled.publish(0, id="given", subject="s")
    await filled.settle(address, {1: DELIVERED, 2: record})
    p, key = filled.partitions[0], ids.DeliveryKey(*address, 2)
    assert await trim(filled, early=early) == 1
    assert await filled.redis.xlen(p.log) == 0
    kept = await log.read(filled.redis, p, address)
    assert kept is not None
    assert (kept.id, kept.data, kept.is_intact()) == ("given", b'{"n":1}', True)
    assert await deliveries.read(filled.redis, p, [key]) == [record]
    assert await filled.redis.zscore(p.late_index(2), key.packed()) == address.ms
    assert not await filled.redis.exists(p.endpoint_index(1), p.endpoint_index(2))
    assert await log.find(filled.redis, filled.partitions, "given") == address
    assert await balanced(filled)


async def test_a_given_id_counts_as_long_as_its_event_is_kept(filled: FilledStore) -> None:
    new = NewEvent("/keys/shop", "order.placed", b'{"n":1}', id="given", subject="s")
    address = await filled.publish(None, id="given", subject="s")
    number = address.partition
    await filled.settle(address, {1: SCHEDULED})
    await trim(filled, number=number)
    append = log.Append(filled.partitions[number], [new])
    script, names, args = append.call
    (again,) = append.read(await script(filled.redis, names, args))
    assert again == log.Appended(log.Outcome.DUPLICATE, address)
    await change(filled, ids.DeliveryKey(*address, 1), SCHEDULED, DELIVERED)
    assert await trim_kept(filled, number=number) == 1
    await retention.release_claims(filled.redis, filled.partitions, number)
    assert await log.find(filled.redis, filled.partitions, "given") is None
    home = filled.partitions[ids.partition_of("given", 4)]
    assert not await filled.redis.hexists(home.claims, "given")
    assert await leftovers(filled, number) == set()
    assert await balanced(filled)


async def test_kept_events_leave_when_nothing_of_them_is_open_and_their_time_has_come(filled: FilledStore) -> None:
    addresses = [await filled.publish(0) for _ in range(300)]
    for address in addresses:
        await filled.settle(address, {1: SCHEDULED})
    while await trim(filled, early=True):
        pass
    assert await filled.redis.hlen(filled.partitions[0].kept) == 300
    for address in addresses[:200]:
        await change(filled, ids.DeliveryKey(*address, 1), SCHEDULED, DELIVERED)
    assert await trim_kept(filled, before_ms=addresses[0].ms) == 0
    assert await trim_kept(filled) == 200
    assert await filled.redis.hlen(filled.partitions[0].kept) == 100
    assert await balanced(filled)
    for address in addresses[200:]:
        await change(filled, ids.DeliveryKey(*address, 1), SCHEDULED, SKIPPED)
    assert await trim_kept(filled) == 100
    assert await leftovers(filled) == set()
    assert await balanced(filled)


async def test_late_deliveries_of_events_in_the_log_leave_with_those(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: DELIVERED})
    await change(filled, ids.DeliveryKey(*address, 1, 7), None, DELIVERED, late=True)
    assert await trim_kept(filled) == 0
    assert await trim(filled) == 1
    assert await leftovers(filled) == set()
    assert await balanced(filled)


async def test_what_is_ordered_stays_and_can_be_sent(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: DELIVERED})
    key, p = ids.DeliveryKey(*address, 1), filled.partitions[0]
    await work.order_manual(filled.redis, p, key, retry=False)
    assert await trim(filled) == 1
    assert await log.read(filled.redis, p, address) is not None
    assert await deliveries.read(filled.redis, p, [key]) == [DELIVERED]
    assert await trim_kept(filled) == 0


@pytest.mark.parametrize("what", ["ordered", "opened"])
async def test_what_is_wanted_between_the_look_and_the_removal_lets_the_page_wait(
    filled: FilledStore, what: str
) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: DEAD, 2: DELIVERED})
    key, p = ids.DeliveryKey(*address, 1), filled.partitions[0]
    calls = retention.Trim(p, 4)
    for number in (2, 1):
        calls.delivery(ids.DeliveryKey(*address, number), late=False, stays=False)
    calls.event(retention.Leaving(address, None, [], []), [])
    if what == "ordered":
        await work.order_manual(filled.redis, p, key, retry=False)
    else:
        await change(filled, key, DEAD, SCHEDULED)
    assert not await calls.send(filled.redis, filled.tokens[0])
    assert len(await deliveries.read(filled.redis, p, [key, ids.DeliveryKey(*address, 2)])) == 2
    assert await log.read(filled.redis, p, address) is not None
    assert await balanced(filled)


async def test_what_is_in_hand_stays(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: DEAD})
    key = ids.DeliveryKey(*address, 1)
    cut = retention.Cut(EVER, early=False)
    assert await retention.trim(filled.redis, filled.partitions[0], 4, filled.tokens[0], cut, {key}) == 1
    assert await deliveries.read(filled.redis, filled.partitions[0], [key]) == [DEAD]


async def test_another_owner_removes_nothing(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: DELIVERED})
    cut = retention.Cut(EVER, early=False)
    assert await retention.trim(filled.redis, filled.partitions[0], 4, "former", cut, ()) == 0
    assert await filled.redis.xlen(filled.partitions[0].log) == 1


async def test_an_event_for_many_endpoints_leaves_in_several_calls(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, dict.fromkeys(range(1, 601), DELIVERED))
    other = await filled.publish(0)
    await filled.settle(other, {5: SCHEDULED})
    assert await trim(filled, early=True) == 2
    assert await filled.redis.xlen(filled.partitions[0].log) == 0
    assert await deliveries.read(filled.redis, filled.partitions[0], [ids.DeliveryKey(*other, 5)]) == [SCHEDULED]
    assert await balanced(filled)


async def test_an_unreadable_event_leaves_too(filled: FilledStore) -> None:
    p = filled.partitions[0]
    added: Any = await filled.redis.xadd(p.log, {"x": "garbage"})
    address = ids.Address(*ids.parse_stream_id(added), 0)
    await filled.settle(address, {0: Record(State.DEAD, Reason.POISON)})
    assert await trim(filled) == 1
    assert await filled.redis.xlen(p.log) == 0
    assert await filled.redis.zcard(p.dead) == 0


async def test_a_claim_is_released_once_and_not_if_its_id_is_used_again(filled: FilledStore) -> None:
    home = filled.partitions[ids.partition_of("given", 4)]
    number = (home.number + 1) % 4
    for again in (True, False):
        address = await filled.publish(number, id="given", subject="s")
        await filled.settle(address, {})
        assert await trim(filled, number=number) == 1
        if again:
            later = await filled.publish(number, id="given", subject="s")
        assert await retention.release_claims(filled.redis, filled.partitions, number) == 1
        assert await filled.redis.hexists(home.claims, "given") is again
        if again:
            await filled.settle(later, {})
            assert await trim(filled, number=number) == 1
            await retention.release_claims(filled.redis, filled.partitions, number)
    assert await retention.release_claims(filled.redis, filled.partitions, number) == 0


async def test_a_repetition_takes_no_later_id_off_the_list(filled: FilledStore) -> None:
    name, script = filled.partitions[0].unclaim, scripts.load("unclaim_done")
    await filled.redis.rpush(name, "a")
    assert await script(filled.redis, [name], ["a"]) in {0, 1}
    await filled.redis.rpush(name, "b")
    assert await script(filled.redis, [name], ["a"]) == 0
    assert await filled.redis.lrange(name, 0, -1) == [b"b"]


async def test_old_counters_are_folded_once_nothing_is_left_of_their_hour(filled: FilledStore) -> None:
    p, token = filled.partitions[0], filled.tokens[0]
    old, kept = await filled.publish(0), await filled.publish(0)
    await filled.settle(old, {1: DELIVERED})
    await filled.settle(kept, {1: SCHEDULED})
    later = old.ms + 2 * ids.HOUR_MS
    before = await ledger.snapshot(filled.redis, p)
    assert await retention.fold(filled.redis, p, token, later) == 0, "its events are in the log"
    await trim(filled)
    assert await retention.fold(filled.redis, p, token, later) == 0, "one is kept"
    await change(filled, ids.DeliveryKey(*kept, 1), SCHEDULED, DELIVERED)
    await trim_kept(filled)
    await retention.fold(filled.redis, p, "former", later)
    fields: Any = await filled.redis.hkeys(p.counters)
    assert not any(field.startswith(b"0:") for field in fields)
    await retention.fold(filled.redis, p, token, later)
    fields = await filled.redis.hkeys(p.counters)
    assert all(field.startswith(b"0:") for field in fields)
    after = await ledger.snapshot(filled.redis, p)
    assert after.counters["created"] == before.counters["created"] == 2
    assert await retention.fold(filled.redis, p, token, later) == 0
    assert await balanced(filled)
