"""The balance as it is printed."""

import io

from gateway.cli import console as look
from gateway.cli import ledger
from gateway.store.ledger import COMPARED, Balance

TOTALS = {**dict.fromkeys(COMPARED, 0), "accepted": 3, "fanned": 3, "created": 1_200, "delivered": 1_199, "dead": 1}


def printed(balance: Balance) -> list[str]:
    file = io.StringIO()
    ledger.show(look.make(file), balance)
    return file.getvalue().splitlines()


def test_a_balance_is_two_identities_and_a_verdict() -> None:
    assert printed(Balance(TOTALS, TOTALS, {}, settled=True)) == [
        "  events          3 accepted = 0 unread + 0 matched nobody + 3 fanned out",
        "  deliveries  1,200 created  = 0 pending + 0 scheduled + 0 held + 1,199 delivered + 1 dead + 0 skipped",
        "  balanced: the counters and a recount agree",
    ]


def test_a_difference_is_named_with_both_figures() -> None:
    found = {**TOTALS, "dead": 0, "created": 1_199}
    text = printed(Balance(TOTALS, found, {"created": (1_200, 1_199), "dead": (1, 0)}, settled=True))
    assert text[2:] == [
        "  does not balance",
        "           counters  recount",
        "  created  1,200     1,199",
        "  dead     1         0",
    ]


def test_entries_that_no_gateway_wrote_explain_a_difference() -> None:
    found = {**TOTALS, "accepted": 5, "unread": 2}
    text = printed(Balance(TOTALS, found, {"accepted": (3, 5), "unread": (0, 2)}, settled=True))
    assert text[2] == "  does not balance"
    assert text[-1].startswith("  as if 2 entries of the log came from somebody else than a gateway")


def test_a_system_at_work_is_told() -> None:
    text = printed(Balance(TOTALS, TOTALS, {}, settled=False))
    assert text[2].startswith("  the system worked while it was counted")
