"""The doctor's conclusions, from facts."""

from typing import Any

import pytest

from gateway.cli import checkup
from gateway.cli.checkup import Facts, Finding, Partition
from gateway.model.endpoint import Endpoint, Health, LastFailure
from gateway.store.durability import Memory, Risk
from gateway.store.leases import Lease
from gateway.store.ledger import COMPARED


def books(**figures: int) -> dict[str, int]:
    return {**dict.fromkeys(COMPARED, 0), **figures}


BEFORE, AFTER = Lease("d1", "t", 1), Lease("d1", "t", 2)


def partition(before: Lease = BEFORE, after: Lease = AFTER, **figures: int) -> Partition:
    return Partition(before, after, books(**figures), books(**figures))


def endpoint(**fields: Any) -> Endpoint:
    return Endpoint("ep_1", 1, "acme", "internal", "http://x/", **fields)


def facts(**given: Any) -> Facts:
    sound = Facts([], Memory(10 * checkup.MB, 100 * checkup.MB), [partition(delivered=7), partition()], [])
    return sound._replace(**given)


def about(subject: str, **given: Any) -> list[Finding]:
    return [finding for finding in checkup.judge(facts(**given)) if finding.subject == subject]


def test_a_sound_system_has_no_risk() -> None:
    findings = checkup.judge(facts(endpoints=[(endpoint(), Health())]))
    assert [finding.risk for finding in findings] == [False] * 6
    assert [finding.text for finding in findings] == [
        "durable: each write is on disk before its answer",
        "10 of 100 MB (10%)".replace("10 of", "10 MB of"),
        "1 alive, all 2 partitions owned",
        "every event was read",
        "7 delivered",
        "1 in order",
    ]


def test_each_risk_of_the_store_is_named() -> None:
    [first, second] = about("store", risks=[Risk("aof_off", "no disk"), Risk("evicts", "drops keys")])
    assert (first.risk, first.text, second.text) == (True, "no disk", "drops keys")


@pytest.mark.parametrize(("used", "risk"), [(79, False), (80, True), (95, True)])
def test_memory(used: int, risk: bool) -> None:
    [finding] = about("memory", memory=Memory(used * checkup.MB, 100 * checkup.MB))
    assert finding.risk is risk
    assert ("HOOKLINE_RETENTION" in finding.text) is risk


def test_memory_without_a_limit_is_told() -> None:
    assert about("memory", memory=Memory(5, 0)) == [Finding(False, "memory", "0 MB used, no limit is known")]


@pytest.mark.parametrize(
    "dead",
    [
        partition(Lease("d1", "t", 4), Lease("d1", "t", 4)),
        partition(Lease("", "t", 4), Lease("", "t", 4)),
        partition(Lease("d1", "t", 4), Lease("", "t", 5)),
    ],
    ids=["the beat stands still", "released", "released meanwhile"],
)
def test_a_partition_without_a_living_owner(dead: Partition) -> None:
    [finding] = about("dispatchers", partitions=[partition(), dead])
    assert finding.risk
    assert finding.text.startswith("1 alive, but nobody owns partition 1:")
    [finding] = about("dispatchers", partitions=[dead, dead])
    assert finding.text == "none is alive, nothing is delivered: start one with `hookline dispatcher`"


def test_a_take_over_meanwhile_is_life() -> None:
    [finding] = about("dispatchers", partitions=[partition(Lease("d1", "t", 4), Lease("d2", "u", 0))])
    assert finding == Finding(False, "dispatchers", "1 alive, all 1 partitions owned")


def test_an_empty_store_is_told() -> None:
    [finding] = about("dispatchers", partitions=[])
    assert finding.risk
    assert "hookline up" in finding.text


def test_a_backlog_that_moves_is_no_risk_and_one_that_stands_is() -> None:
    lease = Lease("d1", "t", 1)
    moving = Partition(lease, lease._replace(beat=2), books(unread=5, fanned=1), books(unread=4, fanned=2))
    assert about("log", partitions=[moving]) == [Finding(False, "log", "4 events wait to be read")]
    still = Partition(lease, lease._replace(beat=2), books(unread=5, fanned=1), books(unread=6, fanned=1))
    [finding] = about("log", partitions=[moving, still])
    assert (finding.risk, finding.text[:41]) == (True, "10 events wait and partition 1 handles no")


def test_open_and_dead_deliveries_are_counted() -> None:
    [finding] = about("deliveries", partitions=[partition(delivered=1_000, scheduled=2), partition(dead=1)])
    assert finding.text == "1,000 delivered, 2 scheduled, 1 dead"


@pytest.mark.parametrize(("reason", "risk"), [("gone", True), ("failing", True), ("operator", False)])
def test_a_disabled_endpoint(reason: Any, risk: bool) -> None:
    broken = endpoint(status="disabled", disabled_reason=reason)
    [finding] = about("endpoint", endpoints=[(broken, Health())])
    assert finding.risk is risk
    assert finding.text == f"ep_1 of acme is disabled ({reason}): POST /v1/endpoints/ep_1/enable brings it back"
    assert about("endpoints", endpoints=[(broken, Health())]) == []


def test_a_failing_endpoint_says_since_when_and_how() -> None:
    health = Health(3, 1_700_000_000_000, None, LastFailure(1_700_000_000_000, "http_status", 503))
    [finding] = about("endpoint", endpoints=[(endpoint(), health), (endpoint(), Health())])
    assert finding.risk
    assert "fails since 2023-11-14T22:13:20" in finding.text
    assert "last http_status 503" in finding.text
    assert (
        about("endpoints", endpoints=[(endpoint(), health), (endpoint(), Health())])[0].text == "the other 1 in order"
    )
