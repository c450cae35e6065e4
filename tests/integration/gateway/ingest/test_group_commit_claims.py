"""A gateway died between the claim of a given id and the append of its event; whoever has the id next is not stuck.

`FIRST` is the event whose claim was left behind. The others have the same id; they differ in where their ordering key
puts them: to the claimed partition, to a third one, or to the id's own, by a key or for the lack of one.
"""

from typing import Any

import pytest

from gateway import ids
from gateway.model.event import NewEvent
from gateway.store import log
from tests.integration.gateway.ingest.conftest import COUNT, Bench

ID = "e-1"
HOME = ids.partition_of(ID, COUNT)


def key_in(partition: int) -> str:
    """An ordering key that this partition has."""
    return next(key for key in map("order-{}".format, range(1_000)) if ids.partition_of(key, COUNT) == partition)


CLAIMED, THIRD = ((HOME + step) % COUNT for step in (1, 2))
FIRST = NewEvent("/s", "order.placed", b"1", ID, key_in(CLAIMED))
OTHERS = {
    "to the claimed partition": NewEvent("/s", "order.paid", b"2", ID, key_in(CLAIMED)),
    "to a third partition": NewEvent("/s", "order.paid", b"2", ID, key_in(THIRD)),
    "to the id's own partition": NewEvent("/s", "order.paid", b"2", ID, key_in(HOME)),
    "without an ordering key": NewEvent("/s", "order.paid", b"2", ID),
}
other_events = pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())


def place(event: NewEvent) -> int:
    """The partition where an event belongs."""
    return ids.partition_of(event.ordering_key or event.id, COUNT)


async def leave_claim(bench: Bench, event: NewEvent = FIRST, age_ms: int = 0) -> None:
    script, names, args = log.claim_call(bench.partitions[HOME], [(event.id, place(event), event.digest())])
    await script(bench.redis, names, args)
    await age(bench, age_ms)


async def age(bench: Bench, ms: int) -> None:
    claim: Any = await bench.redis.hget(bench.partitions[HOME].claims, ID)
    then = int.from_bytes(claim[18:], "big") - ms
    await bench.redis.hset(bench.partitions[HOME].claims, ID, claim[:18] + then.to_bytes(8, "big"))


@pytest.mark.parametrize("age_ms", [0, 61_000])
async def test_the_same_event_completes_its_claim_at_any_age(bench: Bench, age_ms: int) -> None:
    await leave_claim(bench, age_ms=age_ms)
    (answer,) = await bench.put(FIRST)
    assert answer.outcome is log.Outcome.NEW
    assert await bench.events() == 1


@other_events
async def test_a_young_claim_holds(bench: Bench, other: NewEvent) -> None:
    await leave_claim(bench, age_ms=55_000)
    (answer,) = await bench.put(other)
    assert answer == (log.Outcome.CONFLICT, None)
    assert await bench.events() == 0
    (first,) = await bench.put(FIRST)
    assert first.outcome is log.Outcome.NEW


@other_events
async def test_an_old_claim_yields_and_the_id_is_the_other_event_from_then_on(bench: Bench, other: NewEvent) -> None:
    await leave_claim(bench, age_ms=61_000)
    (answer,) = await bench.put(other)
    assert answer.outcome is log.Outcome.NEW
    assert answer.address is not None
    assert answer.address.partition == place(other)
    assert await log.find(bench.redis, bench.partitions, ID) == answer.address
    assert await bench.put(other) == [(log.Outcome.DUPLICATE, answer.address)]
    for another in (FIRST, *(event for event in OTHERS.values() if event != other)):
        (late,) = await bench.put(another)
        assert late.outcome is log.Outcome.CONFLICT
    assert await bench.events() == 1


@other_events
async def test_an_old_claim_of_an_event_that_is_there_never_yields(bench: Bench, other: NewEvent) -> None:
    (first,) = await bench.put(FIRST)
    await age(bench, 3_600_000)
    (answer,) = await bench.put(other)
    assert answer == (log.Outcome.CONFLICT, None)
    assert await bench.put(FIRST) == [(log.Outcome.DUPLICATE, first.address)]
    assert await bench.events() == 1


@other_events
async def test_an_old_claim_that_its_own_event_asks_for_again_is_young(bench: Bench, other: NewEvent) -> None:
    """Otherwise one could take it over while the other, that found its claim good, is being appended."""
    await leave_claim(bench, age_ms=61_000)
    await leave_claim(bench)
    (answer,) = await bench.put(other)
    assert answer.outcome is log.Outcome.CONFLICT
    (first,) = await bench.put(FIRST)
    assert first.outcome is log.Outcome.NEW


@pytest.mark.parametrize("taker", ["to the id's own partition", "without an ordering key"])
@pytest.mark.parametrize("next_one", [FIRST, *OTHERS.values()], ids=["the first", *OTHERS.keys()])
async def test_a_claim_for_the_ids_own_partition_left_behind_yields_too(
    bench: Bench, taker: str, next_one: NewEvent
) -> None:
    await leave_claim(bench, age_ms=61_000)
    other = OTHERS[taker]
    script, names, args = log.claim_call(bench.partitions[HOME], [(other.id, HOME, other.digest())], take_over=True)
    await script(bench.redis, names, args)
    await age(bench, 61_000)
    (answer,) = await bench.put(next_one)
    assert answer.outcome is log.Outcome.NEW
    assert await log.find(bench.redis, bench.partitions, ID) == answer.address
    assert await bench.events() == 1


@other_events
async def test_all_at_once_are_one_event(bench: Bench, other: NewEvent) -> None:
    await leave_claim(bench, age_ms=61_000)
    answers = await bench.put(*[other] * 50)
    assert sorted(answer.outcome for answer in answers) == [log.Outcome.NEW] + [log.Outcome.DUPLICATE] * 49
    assert len({answer.address for answer in answers}) == 1


async def test_others_in_the_flush_are_not_concerned(bench: Bench) -> None:
    """One event of every kind, and one of another id, in one flush: the claim goes to one of them."""
    await leave_claim(bench, age_ms=61_000)
    *answers, plain = await bench.put(*OTHERS.values(), NewEvent("/s", "order.paid", b"3"))
    assert plain.outcome is log.Outcome.NEW
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(log.Outcome.NEW) == 1
    assert outcomes.count(log.Outcome.CONFLICT) == len(OTHERS) - 1
    assert await bench.events() == 2
