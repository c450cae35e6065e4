"""What follows from facts at once."""

from gateway.cli.doctor.facts import Dispatcher
from gateway.store.members import Member
from tests.unit.gateway.cli.doctor.sound import NOW, counters, facts, partition


def test_a_partition_stands_still_if_it_has_work_and_does_none() -> None:
    still = partition(unread=5, fanned=1)
    assert still.stands_still
    assert not partition(fanned=1).stands_still
    assert not still._replace(now=still.now._replace(counters=counters(unread=5, fanned=2))).stands_still
    assert not still._replace(now=still.now._replace(counters=counters(unread=5, fanned=1, unmatched=1))).stands_still


def test_who_joined_meanwhile_lives() -> None:
    assert Dispatcher("d1", None, Member(1, None)).alive
    assert not Dispatcher("d1", Member(1, None), Member(1, None)).alive


def test_now_is_store_time() -> None:
    assert facts().now_ms == NOW
