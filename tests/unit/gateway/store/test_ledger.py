import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store import ledger

AMOUNTS = st.integers(0, 50)


def balance_of(
    states: list[int], events: list[int], differences: dict[str, tuple[int, int]] | None = None
) -> ledger.Balance:
    totals = {
        **dict(zip(ledger.DELIVERIES, states, strict=True)),
        **dict(zip(ledger.EVENTS, events, strict=True)),
        "created": sum(states),
        "accepted": sum(events),
    }
    return ledger.Balance(totals, totals, differences or {}, True)


def test_the_line_says_both_identities() -> None:
    balance = balance_of([0, 1, 0, 19, 0, 0], [0, 2, 10])
    assert ledger.line(balance.counted) == (
        "accepted 12 = unread 0 + matched nobody 2 + fanned out 10 · "
        "deliveries 20 = pending 0 + scheduled 1 + held 0 + delivered 19 + dead 0 + skipped 0"
    )


@given(hours=st.dictionaries(st.integers(0, 500_000), AMOUNTS, max_size=5))
def test_the_total_is_over_all_hours(hours: dict[int, int]) -> None:
    fields = {f"{hour}:delivered".encode(): str(amount).encode() for hour, amount in hours.items()}
    totals = ledger.total(fields)
    assert totals["delivered"] == sum(hours.values())
    assert set(ledger.COMPARED) <= set(totals)


def test_totals_are_added_by_name() -> None:
    assert ledger.add(({"dead": 1, "failed": 2}, {"dead": 3}))["dead"] == 4
    assert ledger.add(())["accepted"] == 0


@given(states=st.lists(AMOUNTS, min_size=6, max_size=6), events=st.lists(AMOUNTS, min_size=3, max_size=3))
def test_what_adds_up_balances_and_one_more_does_not(states: list[int], events: list[int]) -> None:
    balance = balance_of(states, events)
    assert balance.balanced
    for name, broken in (("created", "deliveries_add_up"), ("accepted", "events_add_up")):
        wrong = balance._replace(counted={**balance.counted, name: balance.counted[name] + 1})
        assert not getattr(wrong, broken)
        assert not wrong.balanced
    assert not balance._replace(differences={"dead": (1, 2)}).balanced


@given(counts=st.lists(AMOUNTS, min_size=11, max_size=11), name=st.sampled_from(ledger.COMPARED))
def test_a_partition_that_stood_still_is_compared_exactly(counts: list[int], name: str) -> None:
    totals = dict(zip(ledger.COMPARED, counts, strict=True))
    still = ledger.Snapshot(totals, {})
    assert ledger.compare(still, totals, still) == []
    assert ledger.compare(still, {**totals, name: totals[name] + 1}, still) == [name]


@given(before=AMOUNTS, grown=st.integers(1, 50), found=st.integers(0, 120), name=st.sampled_from(ledger.GROWING))
def test_a_partition_that_moved_is_held_to_what_only_grows(before: int, grown: int, found: int, name: str) -> None:
    zeros = dict.fromkeys(ledger.COMPARED, 0)
    first, last = ({**zeros, name: value, "pending": value} for value in (before, before + grown))
    recount = {**zeros, name: found, "pending": 999}
    wrong = ledger.compare(ledger.Snapshot(first, {}), recount, ledger.Snapshot(last, {}))
    assert wrong == ([] if before <= found <= before + grown else [name])


def test_while_retention_removes_a_moving_partition_proves_nothing() -> None:
    zeros = dict.fromkeys(ledger.COMPARED, 0)
    before, after = ledger.Snapshot(zeros, zeros), ledger.Snapshot(zeros, {**zeros, "accepted": 1})
    assert ledger.compare(before, {**zeros, "accepted": 7}, after) == []


@pytest.mark.parametrize(
    ("differences", "foreign"),
    [
        ({}, 0),
        ({"accepted": (3, 5), "unread": (0, 2)}, 2),
        ({"accepted": (3, 5), "unread": (0, 1)}, 0),
        ({"accepted": (5, 3), "unread": (2, 0)}, 0),
        ({"accepted": (3, 5), "unread": (0, 2), "dead": (1, 0)}, 0),
    ],
)
def test_entries_that_no_gateway_wrote_are_told_by_what_they_change(
    differences: dict[str, tuple[int, int]], foreign: int
) -> None:
    assert balance_of([0] * 6, [0] * 3, differences).foreign == foreign
