"""The selected events of one partition, from any cursor on, each once."""

from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from dispatcher.jobs.candidates import Candidates, Wanted
from dispatcher.jobs.selection import Selection
from gateway import ids
from gateway.model.delivery import Reason, Record, State
from gateway.model.endpoint import Endpoint
from gateway.store import connection, retention
from tests.support.filled_store import FilledStore

SHOP = Endpoint("shop", 7, "shop", "external", "https://shop.test/")
NEVER_MS = 2**47


@pytest.fixture
async def redis(valkey_url: str) -> AsyncIterator[Redis]:
    client = connection.connect(valkey_url)
    yield client
    await client.aclose()


@pytest.fixture
async def filled(redis: Redis) -> FilledStore:
    return await FilledStore.open(redis, partitions=2)


def wanted(*event_types: str, since_ms: int = 0, until_ms: int = NEVER_MS, run: int = 0) -> Wanted:
    return Wanted(Selection(SHOP, event_types or ("*",)), since_ms, until_ms, run)


def begin(filled: FilledStore, what: Wanted, cursor: str | None = None) -> Candidates:
    return Candidates(filled.redis, filled.partitions, 1, what, cursor)


async def read_all(one: Candidates, now_ms: int = NEVER_MS) -> list[ids.DeliveryKey]:
    """Everything to the end, passed as it comes."""
    found: list[ids.DeliveryKey] = []
    while not one.ended:
        await one.read(now_ms)
        found += [candidate.key for candidate in one.waiting]
        one.passed(len(one.waiting))
    return found


def is_complete(one: Candidates) -> bool:
    return one.complete


async def publish(filled: FilledStore, count: int, **fields: str) -> list[ids.Address]:
    return [await filled.publish(1, **{"subscriber": "shop", **fields}) for _ in range(count)]


def keys(addresses: list[ids.Address], run: int = 0) -> list[ids.DeliveryKey]:
    return [ids.DeliveryKey(*address, 7, run) for address in addresses]


async def test_every_selected_event_comes_once_and_in_order(filled: FilledStore) -> None:
    mine: list[ids.Address] = []
    for _ in range(200):
        mine += await publish(filled, 2)
        await publish(filled, 1, subscriber="another")
    await filled.publish(0, subscriber="shop")
    one = begin(filled, wanted())
    assert await read_all(one) == keys(mine)
    assert one.complete
    assert not await one.read(NEVER_MS)
    assert await read_all(begin(filled, wanted(run=9))) == keys(mine, 9)


async def test_who_goes_on_from_a_cursor_finds_the_rest(filled: FilledStore) -> None:
    mine = await publish(filled, 10)
    others = await publish(filled, 300, subscriber="another")
    mine += await publish(filled, 10)
    one = begin(filled, wanted())
    await one.read(NEVER_MS)
    assert not one.cursor, "read ahead is not done"
    one.passed(4)
    assert one.cursor == mine[3].stream_id
    assert await read_all(begin(filled, wanted(), one.cursor)) == keys(mine[4:])
    one.passed(len(one.waiting))
    assert one.cursor == others[245].stream_id, "with the last candidate also what was looked at beside it"
    assert await read_all(begin(filled, wanted(), one.cursor)) == keys(mine[10:])


async def test_times_are_since_inclusive_and_until_exclusive(filled: FilledStore) -> None:
    (first,) = await publish(filled, 1)
    assert await read_all(begin(filled, wanted(since_ms=first.ms, until_ms=first.ms + 1))) == keys([first])
    assert await read_all(begin(filled, wanted(since_ms=first.ms + 1))) == []
    assert await read_all(begin(filled, wanted(until_ms=first.ms))) == []


async def test_the_indexes_of_event_types_find_what_the_log_has(filled: FilledStore) -> None:
    placed, paid = await publish(filled, 3), await publish(filled, 3, type="order.paid")
    placed += await publish(filled, 2)
    await publish(filled, 3, type="user")
    assert await read_all(begin(filled, wanted("order.placed"))) == keys(placed)
    assert await read_all(begin(filled, wanted("order.placed", "order.paid", "x"))) == keys(sorted(placed + paid))
    assert await read_all(begin(filled, wanted("order.*"))) == keys(sorted(placed + paid))


async def test_before_its_time_is_over_the_end_of_the_log_is_not_the_end(filled: FilledStore) -> None:
    first = await publish(filled, 2)
    until_ms = first[-1].ms + 60_000
    one = begin(filled, wanted(until_ms=until_ms))
    assert await read_all(one, until_ms - 1) == keys(first)
    assert not is_complete(one)
    assert not await one.read(until_ms - 1)
    more = await publish(filled, 2)
    assert await one.read(until_ms - 1)
    assert [candidate.key for candidate in one.waiting] == keys(more)
    one.passed(2)
    while not is_complete(one):
        await one.read(until_ms)
    assert one.cursor == more[-1].stream_id


async def test_it_says_size_and_whether_live_delivery_brings_it(filled: FilledStore) -> None:
    await filled.publish(1, subscriber="shop", data=b'"123456789"')
    await filled.publish(1, subscriber="shop", type="hookline.about", data=b"1")
    one = begin(filled, wanted("*", "hookline.*"))
    await one.read(NEVER_MS)
    assert [(candidate.size, candidate.live) for candidate in one.waiting] == [(11, True), (1, False)]


async def test_dead_letters_that_retention_took_out_of_the_log_come_first(filled: FilledStore) -> None:
    dead = Record(State.DEAD, Reason.EXHAUSTED, attempts=3, changed_ms=1)
    old = await publish(filled, 3)
    for address in old:
        await filled.settle(address, {6: dead, 7: dead})
    other = await publish(filled, 1, type="user")
    await filled.settle(other[0], {7: dead})
    new = await publish(filled, 2)
    cut = retention.Cut(other[0].ms + 1, early=True)
    assert await retention.trim(filled.redis, filled.partitions[1], 2, filled.tokens[1], cut, ()) == 4
    for types in (("order.placed",), ("order.*",)):
        one = begin(filled, wanted(*types))
        assert await read_all(one) == keys(old + new)
        assert one.cursor == new[-1].stream_id
    assert await read_all(begin(filled, wanted(), old[0].stream_id)) == keys(old[1:] + other + new)
    assert await read_all(begin(filled, wanted(since_ms=old[2].ms + 1))) == [
        key for key in keys(old + other + new) if key.ms > old[2].ms
    ]
    assert await read_all(begin(filled, wanted(run=5))) == keys(new, 5), "they are no part of the log any more"


async def test_without_a_log_only_they_are_found(filled: FilledStore) -> None:
    (old,) = await publish(filled, 1)
    await filled.settle(old, {7: Record(State.DEAD, Reason.GONE, attempts=1, changed_ms=1)})
    cut = retention.Cut(old.ms + 1, early=True)
    assert await retention.trim(filled.redis, filled.partitions[1], 2, filled.tokens[1], cut, ()) == 1
    one = begin(filled, wanted())
    assert await read_all(one) == keys([old])
    assert (one.complete, one.cursor) == (True, old.stream_id)
    assert await read_all(begin(filled, wanted(), one.cursor)) == []


@pytest.mark.parametrize("run", [0, 9])
async def test_a_filter_selects_what_the_endpoint_never_had(
    filled: FilledStore, monkeypatch: pytest.MonkeyPatch, run: int
) -> None:
    monkeypatch.setattr("dispatcher.jobs.candidates._DATA_AT_ONCE", 20)
    filtered = msgspec.structs.replace(SHOP, filter="data.n > 2")
    mine = [await filled.publish(1, subscriber="shop", data=b'{"n":%d}' % number) for number in range(6)]
    broken = await filled.publish(1, subscriber="shop", data=b"{}")
    addressed = await filled.publish(1, subscriber="shop", endpoint="shop", type="hookline.test", data=b"{}")
    await filled.settle(mine[0], {7: Record(State.DEAD, Reason.EXHAUSTED)})
    what = Wanted(Selection(filtered, ("*", "hookline.test")), 0, NEVER_MS, run)
    found = await read_all(begin(filled, what))
    assert found == keys([mine[0], *mine[3:], addressed], run)
    assert keys([broken], run)[0] not in found
