import asyncio

import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Record, State
from gateway.model.event import NewEvent
from gateway.store import event_list, walk
from gateway.store.event_list import EventFilter
from tests.support.filled_store import FilledStore

DONE = Record(State.DELIVERED, attempts=1, status=200)


@pytest.fixture
async def filled(plain_redis: Redis) -> FilledStore:
    return await FilledStore.open(plain_redis)


async def read(filled: FilledStore, wanted: EventFilter, span: walk.Span, limit: int) -> walk.Found[event_list.Header]:
    entries = await event_list.open_walk(filled.redis, filled.partitions, wanted, span, limit)
    return await event_list.page(entries, wanted, limit)


async def read_all(
    filled: FilledStore, wanted: EventFilter | None = None, *, ascending: bool = False, limit: int = 7
) -> list[ids.Address]:
    wanted = wanted or EventFilter()
    span = walk.Span(ascending=ascending)
    addresses: list[ids.Address] = []
    while True:
        found = await read(filled, wanted, span, limit)
        assert len(found.items) <= limit
        addresses += [header.event.address for header in found.items]
        if found.next is None:
            return addresses
        span = span._replace(after=found.next)


async def past_the_frontier(filled: FilledStore, address: ids.Address) -> None:
    while (address.ms, address.seq) >= await event_list.frontier(filled.redis, filled.partitions, recorded=False):
        pass


async def publish(filled: FilledStore, count: int) -> list[ids.Address]:
    return [
        await filled.publish(number % len(filled.partitions), subject=f"s{number % 3}", type=f"order.{number % 5}")
        for number in range(count)
    ]


@pytest.mark.parametrize("limit", [1, 7, 50, 200])
async def test_every_event_comes_once_in_order_whatever_the_partition(filled: FilledStore, limit: int) -> None:
    addresses = await publish(filled, 61)
    await past_the_frontier(filled, max(addresses))
    assert await read_all(filled, limit=limit) == sorted(addresses, reverse=True)
    assert await read_all(filled, ascending=True, limit=limit) == sorted(addresses)


async def test_the_last_descending_page_ends_exactly(filled: FilledStore) -> None:
    await publish(filled, 10)
    found = await read(filled, EventFilter(), walk.Span(), 10)
    assert (len(found.items), found.next) == (10, None)
    found = await read(filled, EventFilter(), walk.Span(), 9)
    assert found.next is not None


async def test_headers_come_without_the_payload_and_with_its_size(filled: FilledStore) -> None:
    await filled.publish(id="order-1", subject="order/1", subscriber="acme", data=b"x" * 1_000)
    (header,) = (await read(filled, EventFilter(), walk.Span(), 1)).items
    assert (header.event.id, header.event.subscriber, header.event.data) == ("order-1", "acme", b"")
    assert header.data_bytes == 1_000


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (EventFilter(type="order.placed"), {"a", "b"}),
        (EventFilter(type="order.*"), {"a", "b", "c"}),
        (EventFilter(type="*"), {"a", "b", "c", "d"}),
        (EventFilter(type="hookline.*"), {"e"}),
        (EventFilter(type="nothing.*"), set()),
        (EventFilter(subject="s1"), {"a", "c"}),
        (EventFilter(subject="s1", type="order.placed"), {"a"}),
        (EventFilter(source="/other"), {"b"}),
        (EventFilter(subscriber="acme"), {"d", "e"}),
        (EventFilter(subscriber="acme", type="user.*"), {"d"}),
    ],
)
async def test_filters_choose_what_they_say(filled: FilledStore, wanted: EventFilter, expected: set[str]) -> None:
    await filled.publish(id="a", type="order.placed", subject="s1")
    await filled.publish(id="b", type="order.placed", source="/other")
    await filled.publish(id="c", type="order.item.added", subject="s1")
    await filled.publish(id="d", type="user.created", subscriber="acme")
    await filled.publish(id="e", type="hookline.test", subscriber="acme")
    found = await read(filled, wanted, walk.Span(), 50)
    assert {header.event.id for header in found.items} == expected


async def test_unmatched_events_are_those_that_nobody_matched(filled: FilledStore) -> None:
    nobody, somebody, unread = [await filled.publish(n) for n in (0, 1, 2)]
    await filled.settle(nobody, {})
    await filled.settle(somebody, {7: DONE})
    assert await read_all(filled, EventFilter(unmatched=True)) == [nobody]
    looked = await event_list.look_up(filled.redis, filled.partitions, [nobody, somebody, unread])
    assert [looked[address].matched for address in (nobody, somebody, unread)] == [0, 1, None]


async def test_since_is_inclusive_and_until_exclusive(filled: FilledStore) -> None:
    addresses = sorted(await publish(filled, 40))
    first, last = addresses[10], addresses[30]
    span = walk.Span((first.ms, 0), (last.ms, 0))
    expected = [a for a in addresses if first.ms <= a.ms < last.ms]
    found = await read(filled, EventFilter(), span, 200)
    assert [header.event.address for header in found.items] == expected[::-1]
    nothing = await read(filled, EventFilter(), walk.Span((0, 0), (0, 0)), 200)
    assert (nothing.items, nothing.next) == ([], None)


async def test_more_types_than_sources_are_read_from_the_log(filled: FilledStore) -> None:
    addresses = [await filled.publish(n % 4, type=f"order.t{n}") for n in range(walk.MAX_SOURCES + 10)]
    other = await filled.publish(type="user.created")
    found = await read_all(filled, EventFilter(type="order.*"), limit=200)
    assert found == sorted(addresses, reverse=True)
    assert other not in found


async def test_large_payloads_cut_a_chunk_and_lose_nothing(filled: FilledStore) -> None:
    addresses = [await filled.publish(n % 2, data=b"x" * 200_000, subject="s") for n in range(14)]
    assert await read_all(filled) == sorted(addresses, reverse=True)
    assert await read_all(filled, EventFilter(subject="s")) == sorted(addresses, reverse=True)
    looked = await event_list.look_up(filled.redis, filled.partitions, addresses)
    assert {one.header.data_bytes for one in looked.values() if one.header} == {200_000}


async def test_a_filter_that_matches_nothing_stops_at_the_budget(
    filled: FilledStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "BUDGET", 20)
    addresses = await publish(filled, 120)
    wanted = EventFilter(source="/nobody")
    found = await read(filled, wanted, walk.Span(), 5)
    assert found.items == []
    assert found.next in addresses
    assert await read_all(filled, wanted) == []
    assert await read_all(filled, EventFilter(subject="s1", source="/keys/shop")) == sorted(
        (a for n, a in enumerate(addresses) if n % 3 == 1), reverse=True
    )


async def test_entries_that_are_no_events_are_passed_over(filled: FilledStore) -> None:
    good = await filled.publish(1)
    await filled.redis.xadd(filled.partitions[1].log, {"x": "garbage"})
    await filled.redis.xadd(filled.partitions[1].log, {"h": b"\xff" * 30, "d": "1"})
    assert await read_all(filled) == [good]


async def test_an_index_entry_of_a_trimmed_event_is_passed_over(filled: FilledStore) -> None:
    gone, left = [await filled.publish(1, subject="s") for _ in range(2)]
    await filled.redis.xdel(filled.partitions[1].log, gone.stream_id)
    assert await read_all(filled, EventFilter(subject="s")) == [left]
    looked = await event_list.look_up(filled.redis, filled.partitions, [gone])
    assert looked[gone].header is None


async def test_what_retention_kept_can_be_looked_up(filled: FilledStore) -> None:
    address = await filled.publish(1, id="order-1")
    partition = filled.partitions[1]
    new = NewEvent(source="/keys/shop", type="order.placed", data=b'{"n":1}', id="order-1")
    await filled.redis.xdel(partition.log, address.stream_id)
    header = new.header()
    await filled.redis.hset(partition.kept, address.stream_id, len(header).to_bytes(4, "big") + header + new.data)
    looked = (await event_list.look_up(filled.redis, filled.partitions, [address]))[address]
    assert looked.header is not None
    assert (looked.header.event.id, looked.header.data_bytes) == ("order-1", 7)


async def test_new_events_do_not_shift_the_pages(filled: FilledStore) -> None:
    before = await publish(filled, 30)
    span = walk.Span()
    seen: list[ids.Address] = []
    while True:
        found = await read(filled, EventFilter(), span, 4)
        seen += [header.event.address for header in found.items]
        if found.next is None:
            break
        span = span._replace(after=found.next)
        await publish(filled, 5)
    assert seen == sorted(before, reverse=True)


async def test_a_tail_over_four_partitions_misses_nothing_while_others_append(filled: FilledStore) -> None:
    accepted: list[ids.Address] = []
    publishing = asyncio.Event()

    async def publisher(number: int) -> None:
        for _ in range(60):
            events = [(n % 4, NewEvent("/s", f"t.{number}", b"1")) for n in range(number, number + 6)]
            accepted.extend(await filled.publish_many(events))
        publishing.set() if number == 3 else None

    async def tail(wanted: EventFilter) -> list[ids.Address]:
        span, seen = walk.Span(ascending=True), []
        while True:
            last_round = done.is_set()
            found = await read(filled, wanted, span, 50)
            seen += [header.event.address for header in found.items]
            span = span._replace(after=found.next or span.after)
            if last_round and not found.items:
                return seen

    done = asyncio.Event()
    tails = [asyncio.create_task(tail(EventFilter())), asyncio.create_task(tail(EventFilter(type="t.*")))]
    await asyncio.gather(*(publisher(number) for number in range(4)))
    await past_the_frontier(filled, max(accepted))
    done.set()
    for seen in await asyncio.gather(*tails):
        assert len(accepted) == 1_440
        assert seen == sorted(accepted)


async def test_an_ascending_list_of_recorded_things_ends_before_the_first_unread_event(filled: FilledStore) -> None:
    first = await filled.publish(0)
    await past_the_frontier(filled, first)
    unread = await filled.publish(1)
    await filled.settle(first, {})
    await past_the_frontier(filled, unread)
    later = await filled.publish(0)
    await filled.settle(later, {})
    await past_the_frontier(filled, later)
    unmatched = EventFilter(unmatched=True)
    assert await read_all(filled, unmatched) == [later, first]
    assert await read_all(filled, unmatched, ascending=True) == [first]
    await filled.settle(unread, {})
    assert await read_all(filled, unmatched, ascending=True) == [first, unread, later]
