from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import AttemptError, Reason, Record, State
from gateway.store import delivery_list, event_list, walk
from gateway.store.delivery_list import DeliveryFilter
from tests.support.filled_store import FilledStore

DELIVERED = Record(State.DELIVERED, attempts=1, status=200, changed_ms=5)
PENDING = Record(State.PENDING)
SCHEDULED = Record(
    State.SCHEDULED, attempts=2, status=503, error=AttemptError.HTTP_STATUS, failures=2, due_ms=9, changed_ms=5
)
HELD = Record(State.HELD, Reason.BREAKER)
DEAD = Record(State.DEAD, Reason.EXHAUSTED, 11, 0, AttemptError.DNS, 11, 0, 5)
SKIPPED = Record(State.SKIPPED, Reason.ENDPOINT_DISABLED)
RECORDS = (DELIVERED, PENDING, SCHEDULED, HELD, DEAD, SKIPPED)


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    return await FilledStore.open(plain_redis)


async def read(
    filled: FilledStore, wanted: DeliveryFilter, span: walk.Span, limit: int
) -> walk.Found[delivery_list.Item]:
    entries = await delivery_list.open_walk(filled.redis, filled.partitions, wanted, span, limit)
    return await delivery_list.page(filled.redis, filled.partitions, entries, wanted, limit)


async def read_all(
    filled: FilledStore, wanted: DeliveryFilter | None = None, *, ascending: bool = False, limit: int = 7
) -> list[ids.DeliveryKey]:
    wanted = wanted or DeliveryFilter()
    span = walk.Span(ascending=ascending)
    found_keys: list[ids.DeliveryKey] = []
    while True:
        found = await read(filled, wanted, span, limit)
        assert len(found.items) <= limit
        found_keys += [item.key for item in found.items]
        if found.next is None:
            return found_keys
        span = span._replace(after=found.next)


async def past_the_frontier(filled: FilledStore, ms: int, seq: int) -> None:
    while (ms, seq) >= await event_list.frontier(filled.redis, filled.partitions, recorded=True):
        pass


async def fill(filled: FilledStore, endpoints: Sequence[Sequence[int]]) -> dict[ids.DeliveryKey, Record]:
    """One event per item, with a delivery for each endpoint; records take turns."""
    made: dict[ids.DeliveryKey, Record] = {}
    for number, numbers in enumerate(endpoints):
        address = await filled.publish(number % len(filled.partitions), type=f"order.{number % 2}")
        records = {endpoint: RECORDS[(number + endpoint) % 6] for endpoint in numbers}
        await filled.settle(address, records)
        made |= {ids.DeliveryKey(*address, endpoint): record for endpoint, record in records.items()}
    return made


@pytest.mark.parametrize("limit", [1, 5, 50, 200])
async def test_every_delivery_comes_once_in_order(filled: FilledStore, limit: int) -> None:
    made = await fill(filled, [range(1, 1 + number % 6) for number in range(40)])
    last = max(made)
    await past_the_frontier(filled, last.ms, last.seq)
    assert await read_all(filled, limit=limit) == sorted(made, reverse=True)
    assert await read_all(filled, ascending=True, limit=limit) == sorted(made)


@pytest.mark.parametrize("ascending", [False, True])
@pytest.mark.parametrize(
    "wanted",
    [
        DeliveryFilter(endpoints=frozenset({3})),
        DeliveryFilter(endpoints=frozenset({2, 4})),
        DeliveryFilter(endpoints=frozenset()),
        DeliveryFilter(endpoints=frozenset(range(1, 1_000, 2))),
        DeliveryFilter(endpoints=frozenset({3}), state=State.SCHEDULED),
        *(DeliveryFilter(state=state) for state in State),
        DeliveryFilter(reason=Reason.BREAKER),
        DeliveryFilter(response_status=200),
        DeliveryFilter(error=AttemptError.DNS),
        DeliveryFilter(error=AttemptError.HTTP_STATUS, response_status=503),
        DeliveryFilter(type="order.1"),
        DeliveryFilter(type="order.*", state=State.DEAD),
        DeliveryFilter(type="user.*"),
    ],
)
async def test_filters_choose_what_they_say(filled: FilledStore, wanted: DeliveryFilter, ascending: bool) -> None:
    made = await fill(filled, [range(1, 6)] * 24)
    last = max(made)
    await past_the_frontier(filled, last.ms, last.seq)
    types = {
        item.key.address: item.header.event.type
        for item in (await read(filled, DeliveryFilter(), walk.Span(), 200)).items
        if item.header
    }
    expected = [
        key
        for key, record in made.items()
        if wanted.admits(key, record) and wanted.type in {None, "order.*", types[key.address]}
    ]
    assert await read_all(filled, wanted, ascending=ascending) == sorted(expected, reverse=not ascending)


async def test_one_event_with_many_deliveries_is_paged_through(filled: FilledStore) -> None:
    addresses = [await filled.publish(n) for n in (0, 1, 2)]
    for address in addresses:
        await filled.settle(address, dict.fromkeys(range(1, 201), PENDING))
    expected = sorted((ids.DeliveryKey(*a, n) for a in addresses for n in range(1, 201)), reverse=True)
    assert await read_all(filled, limit=50) == expected
    assert await read_all(filled, DeliveryFilter(state=State.PENDING), limit=50) == expected
    last = max(addresses)
    await past_the_frontier(filled, last.ms, last.seq)
    assert await read_all(filled, DeliveryFilter(state=State.PENDING), limit=50, ascending=True) == expected[::-1]


async def test_a_position_that_left_its_sorted_set_is_still_a_position(filled: FilledStore) -> None:
    made = await fill(filled, [[6]] + [[n, n + 6, n + 12] for n in (3, 4, 5, 3, 4, 5)])
    wanted = DeliveryFilter(state=State.SCHEDULED)
    expected = sorted((key for key, record in made.items() if record.state is State.SCHEDULED), reverse=True)
    first = await read(filled, wanted, walk.Span(), 2)
    assert [item.key for item in first.items] == expected[:2]
    for key in expected[:2]:
        await filled.change(key, SCHEDULED, DELIVERED)
    rest = await read(filled, wanted, walk.Span(after=first.next), 200)
    assert [item.key for item in rest.items] == expected[2:]


async def test_a_replays_delivery_has_the_place_of_its_event(filled: FilledStore) -> None:
    address = await filled.publish(1, id="order-1")
    await filled.settle(address, {2: DELIVERED})
    nobody = await filled.publish(2)
    await filled.settle(nobody, {})
    own, missing = ids.DeliveryKey(*address, 2, 7), ids.DeliveryKey(*nobody, 9)
    await filled.change(own, None, msgspec.structs.replace(PENDING, run=7), late=True)
    await filled.change(missing, None, msgspec.structs.replace(PENDING, run=8), late=True)
    assert await read_all(filled) == [missing, own, ids.DeliveryKey(*address, 2)]
    assert await read_all(filled, DeliveryFilter(endpoints=frozenset({2}))) == [own, ids.DeliveryKey(*address, 2)]
    assert await read_all(filled, DeliveryFilter(endpoints=frozenset({9}))) == [missing]
    partition = filled.partitions[1]
    of_event = await delivery_list.of_event(filled.redis, partition, address, [])
    assert of_event == [ids.DeliveryKey(*address, 2), own]


async def test_an_unread_event_has_the_deliveries_of_its_candidates(filled: FilledStore) -> None:
    address = await filled.publish(3)
    key = ids.DeliveryKey(*address, 4)
    await filled.change(key, None, PENDING)
    found = await delivery_list.of_event(filled.redis, filled.partitions[3], address, [4, 5])
    assert found == [key, ids.DeliveryKey(*address, 5)]
    assert await delivery_list.read_records(filled.redis, filled.partitions, found) == [PENDING, None]
    assert await read_all(filled) == [key]
    assert await read_all(filled, ascending=True) == []
    assert await read_all(filled, DeliveryFilter(state=State.PENDING)) == [key]


async def test_what_retention_left_of_an_event_is_listed(filled: FilledStore) -> None:
    gone = await filled.publish(1)
    await filled.settle(gone, {2: DEAD, 3: SCHEDULED})
    await filled.redis.xdel(filled.partitions[1].fanned, gone.stream_id)
    assert await read_all(filled) == [ids.DeliveryKey(*gone, 3), ids.DeliveryKey(*gone, 2)]


async def test_a_delivery_whose_event_is_gone_is_listed_without_header(filled: FilledStore) -> None:
    address = await filled.publish(1)
    await filled.settle(address, {2: DEAD})
    await filled.redis.xdel(filled.partitions[1].log, address.stream_id)
    (item,) = (await read(filled, DeliveryFilter(state=State.DEAD), walk.Span(), 5)).items
    assert (item.key, item.record, item.header) == (ids.DeliveryKey(*address, 2), DEAD, None)


async def test_the_deliveries_of_one_event_are_paged_like_any_list(filled: FilledStore) -> None:
    address = await filled.publish(1)
    await filled.settle(address, {n: RECORDS[n % 6] for n in range(1, 31)})
    found = await delivery_list.of_event(filled.redis, filled.partitions[1], address, [])
    seen: list[ids.DeliveryKey] = []
    span = walk.Span()
    while True:
        entries = walk.Listed([walk.Entry(key, key) for key in found], span)
        page = await delivery_list.page(filled.redis, filled.partitions, entries, DeliveryFilter(), 4)
        seen += [item.key for item in page.items]
        if page.next is None:
            break
        span = span._replace(after=page.next)
    assert seen == found[::-1]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.lists(st.tuples(st.integers(0, 3), st.sets(st.integers(1, 9), max_size=5)), max_size=25),
    limit=st.integers(1, 9),
    ascending=st.booleans(),
    state=st.none() | st.sampled_from(State),
    endpoints=st.none() | st.frozensets(st.integers(1, 9), max_size=3),
    budget=st.sampled_from([3, 5_000]),
)
async def test_any_filter_pages_like_one_sorted_list(
    filled: FilledStore,
    monkeypatch: pytest.MonkeyPatch,
    shape: list[tuple[int, set[int]]],
    limit: int,
    ascending: bool,
    state: State | None,
    endpoints: frozenset[int] | None,
    budget: int,
) -> None:
    monkeypatch.setattr(walk, "BUDGET", budget)
    filled = await FilledStore.open(filled.redis)
    made: dict[ids.DeliveryKey, Record] = {}
    for number, (partition, numbers) in enumerate(shape):
        address = await filled.publish(partition)
        records = {endpoint: RECORDS[(number + endpoint) % 6] for endpoint in numbers}
        await filled.settle(address, records)
        await past_the_frontier(filled, address.ms, address.seq)
        made |= {ids.DeliveryKey(*address, endpoint): record for endpoint, record in records.items()}
    wanted = DeliveryFilter(endpoints=endpoints, state=state)
    expected = sorted((key for key, record in made.items() if wanted.admits(key, record)), reverse=not ascending)
    assert await read_all(filled, wanted, ascending=ascending, limit=limit) == expected
