"""Findings about dispatchers, partitions and deliveries."""

from typing import Any

import pytest

from gateway.cli.doctor import work
from gateway.cli.doctor.facts import Letters
from gateway.cli.doctor.findings import Finding, Level
from gateway.store.leases import Lease
from tests.unit.gateway.cli.doctor.sound import counters, dispatcher, facts, partition


def lease(before: Lease, after: Lease, number: int = 1) -> Any:
    return partition(number)._replace(before=before, after=after)


@pytest.mark.parametrize(
    "dead",
    [
        lease(Lease("d1", "t", 4), Lease("d1", "t", 4)),
        lease(Lease("", "t", 4), Lease("", "t", 4)),
        lease(Lease("d1", "t", 4), Lease("", "t", 5)),
    ],
    ids=["the beat stands still", "released", "released meanwhile"],
)
def test_a_partition_without_a_living_owner(dead: Any) -> None:
    (finding,) = work.judge_dispatchers(facts(partitions=[partition(), dead]))
    assert (finding.level, finding.code) == (Level.RISK, "partitions_without_owner")
    assert finding.text == "1 alive, but nobody owns partition 1: its events wait"
    assert finding.data == {"alive": ["d1"], "without_owner": [1]}


def test_nobody_is_alive() -> None:
    dead = [partition(number)._replace(after=partition().before) for number in range(2)]
    (finding,) = work.judge_dispatchers(facts(partitions=dead, dispatchers=[]))
    assert (finding.code, finding.text) == ("none_alive", "none is alive, so nothing is delivered")
    assert "hookline dispatcher" in finding.way_out


def test_a_dispatcher_without_partitions_is_alive_too() -> None:
    (finding,) = work.judge_dispatchers(facts(dispatchers=[dispatcher("d1"), dispatcher("d2")]))
    assert (finding.level, finding.text) == (Level.OK, "2 alive, all 2 partitions are owned")


def test_a_take_over_meanwhile_is_life() -> None:
    taken = lease(Lease("d1", "t", 4), Lease("d2", "u", 0))
    (finding,) = work.judge_dispatchers(facts(partitions=[taken], dispatchers=[]))
    assert (finding.level, finding.text) == (Level.OK, "1 alive, the partition is owned")


def test_a_member_that_does_not_beat_is_noted() -> None:
    _, finding = work.judge_dispatchers(facts(dispatchers=[dispatcher("d1"), dispatcher("d\x07", alive=False)]))
    assert (finding.level, finding.code) == (Level.NOTE, "dispatcher_silent")
    assert finding.text.startswith("d\\x07 is on the list and does not beat")


def test_an_unused_store_is_told() -> None:
    (finding,) = work.judge_dispatchers(facts(partitions=[]))
    assert (finding.level, finding.code, finding.way_out) == (Level.RISK, "never_started", "run `hookline up`")


def log(*partitions: Any) -> list[Finding]:
    return list(work.judge_log(facts(partitions=list(partitions))))


def test_a_backlog_that_moves_is_no_risk_and_one_that_stands_is() -> None:
    moving = partition(0, unread=5, fanned=1, lag=3.0)
    moving = moving._replace(now=moving.now._replace(counters=counters(unread=4, fanned=2)))
    assert [(one.level, one.text) for one in log(moving)] == [(Level.OK, "4 events in the making")]
    (finding,) = log(moving, partition(1, unread=5, lag=7.0))
    assert (finding.level, finding.code) == (Level.RISK, "partition_stands_still")
    assert finding.text == "partition 1: 5 events not recorded yet, the oldest 7 seconds old"
    assert finding.way_out.startswith("its owner d1 handles none")


def test_every_partition_with_lag_is_named() -> None:
    slow = partition(2, unread=1_500, fanned=1, lag=95.0)
    slow = slow._replace(now=slow.now._replace(counters=counters(unread=1_500, fanned=9)))
    orphan = slow._replace(after=slow.before, now=slow.now._replace(number=3))
    first, second = log(slow, orphan)
    assert first.text == "partition 2: 1,500 events not recorded yet, the oldest 1 minute old"
    assert first.way_out.startswith("it is being worked off")
    assert second.way_out == "it has no living owner, see dispatchers"
    assert second.data == {"partition": 3, "unread": 1_500, "lag_seconds": 95.0, "owner": "d1"}


def test_deliveries_are_counted_and_what_is_held_by_reason() -> None:
    one, two = partition(0, delivered=1_000, scheduled=2), partition(1, held=3, held_paused=2, held_order=1)
    (finding,) = work.judge_deliveries(facts(partitions=[one, two]))
    assert finding.text == "1,000 delivered, 2 scheduled, 3 held (paused 2, order 1)"


def test_retries_that_are_overdue() -> None:
    partitions = [partition(number, late=61.0 if number else 59.0) for number in range(3)]
    _, finding = work.judge_deliveries(facts(partitions=partitions))
    assert (finding.level, finding.code) == (Level.RISK, "retries_late")
    assert finding.text == "retries of partition 1-2 are up to 1 minute overdue"


def test_dead_letters_say_whose_they_are() -> None:
    reasons = {("ep_1", "exhausted"): 5, ("ep_2", "exhausted"): 1, ("ep_2", "gone"): 7, ("ep_3", "gone"): 1}
    dead = Letters(20, 1_700_000_000_000, 15, {**reasons, ("ep_4", "gone"): 1})
    _, finding = work.judge_deliveries(facts(dead=dead))
    assert (finding.level, finding.code) == (Level.NOTE, "dead_letters")
    assert finding.text.startswith("20, the oldest accepted 2023-11-14T22:13:20Z (8 of ep_2, 5 of ep_1, 1 of ep_3")
    assert "and 1 more endpoint)" in finding.text
    assert "POST /v1/replays" in finding.way_out


def test_poison_is_a_risk() -> None:
    dead = Letters(1, 1_700_000_000_000, 1, {("ep_1", "poison"): 1})
    _, poison, letters = work.judge_deliveries(facts(dead=dead))
    assert (poison.level, poison.code, letters.level) == (Level.RISK, "poison", Level.NOTE)
