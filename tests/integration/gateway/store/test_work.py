import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.store import deliveries, work
from gateway.store.work import Kind
from tests.support.filled_store import FilledStore

LATER = 4_000_000_000_000
RECORDS = {
    "pending": Record(State.PENDING),
    "scheduled": Record(State.SCHEDULED, due_ms=LATER),
    "delivered": Record(State.DELIVERED),
    "dead": Record(State.DEAD, Reason.EXHAUSTED),
    "skipped": Record(State.SKIPPED, Reason.OPERATOR),
}
ANSWERS = {
    Kind.MANUAL: {"none": "missing", "pending": "in_flight"},
    Kind.MANUAL_RETRY: {"none": "missing", "pending": "in_flight"},
    Kind.FILL: {"pending": "kept", "scheduled": "kept", "delivered": "kept"},
    Kind.AGAIN: dict.fromkeys(RECORDS, "kept"),
    Kind.PROBE: {"pending": "in_flight", "scheduled": "in_flight", "delivered": "kept"},
}


@pytest.fixture
async def filled(redis: Redis) -> FilledStore:
    return await FilledStore.open(redis)


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("state", ["none", *RECORDS])
async def test_what_an_order_answers(filled: FilledStore, kind: Kind, state: str) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: RECORDS[state]} if state != "none" else {})
    key, partition = ids.DeliveryKey(*address, 1), filled.partitions[0]
    (found,) = await work.order(filled.redis, partition, [key], kind, 3)
    expected = ANSWERS[kind].get(state, "queued")
    assert found == (expected, RECORDS.get(state))
    page = await work.page(filled.redis, partition, 0)
    ordered = work.Order(kind, 3)
    assert page == (0, {key: ordered} if expected == "queued" else {})
    assert await work.read(filled.redis, partition, [key]) == ([ordered] if expected == "queued" else [None])
    if expected == "queued":
        (again,) = await work.order(filled.redis, partition, [key], kind, 3)
        assert again.answer == "in_flight"
    assert (await deliveries.read(filled.redis, partition, [key])) == [RECORDS.get(state)]


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("run", [0, 3, 4])
async def test_a_replay_may_order_again_what_it_has_opened_and_what_is_held(
    filled: FilledStore, kind: Kind, run: int
) -> None:
    address = await filled.publish(0)
    held = Record(State.HELD, Reason.PAUSED, failures=1, run=run)
    await filled.settle(address, {1: held})
    wanted = [ids.DeliveryKey(*address, 1)]
    (found,) = await work.order(filled.redis, filled.partitions[0], wanted, kind, 3)
    if kind in {Kind.FILL, Kind.AGAIN}:
        assert found == ("queued" if run == 3 else "kept", held)
    else:
        assert found == ("in_flight" if kind is Kind.PROBE else "queued", held)


@pytest.mark.parametrize("kind", [Kind.FILL, Kind.AGAIN, Kind.PROBE])
async def test_a_replay_or_probe_stays_behind_the_mark(filled: FilledStore, kind: Kind) -> None:
    passed, unread = await filled.publish(0), await filled.publish(0)
    await filled.settle(passed, {})
    wanted = [ids.DeliveryKey(*address, 1) for address in (passed, unread)]
    found = await work.order(filled.redis, filled.partitions[0], wanted, kind, 1)
    assert [one.answer for one in found] == ["queued", "ahead"]


async def test_many_orders_are_paged_and_counted(filled: FilledStore) -> None:
    partition = filled.partitions[0]
    addresses = [await filled.publish(0) for _ in range(3)]
    for address in addresses:
        await filled.settle(address, dict.fromkeys(range(250), RECORDS["delivered"]))
        wanted = [ids.DeliveryKey(*address, number) for number in range(250)]
        answers = await work.order(filled.redis, partition, wanted, Kind.MANUAL)
        assert {one.answer for one in answers} == {"queued"}
    assert await work.outstanding(filled.redis, filled.partitions) == 750
    cursor, seen = 0, set()
    while True:
        page = await work.page(filled.redis, partition, cursor)
        seen |= set(page.orders)
        cursor = page.cursor
        if cursor == 0:
            break
    assert len(seen) == 750


async def test_one_by_hand(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: RECORDS["dead"]})
    key = ids.DeliveryKey(*address, 1)
    ordered = await work.order_manual(filled.redis, filled.partitions[0], key, retry=True)
    assert ordered == ("queued", RECORDS["dead"])
    assert await work.read(filled.redis, filled.partitions[0], [key]) == [work.Order(Kind.MANUAL_RETRY, 0)]


async def test_a_probe(filled: FilledStore) -> None:
    address = await filled.publish(0)
    await filled.settle(address, {1: RECORDS["skipped"]})
    key = ids.DeliveryKey(*address, 1)
    assert await work.order_probe(filled.redis, filled.partitions[0], key) == "queued"
    assert await work.read(filled.redis, filled.partitions[0], [key]) == [work.Order(Kind.PROBE, 0)]
