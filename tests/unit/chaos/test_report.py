"""The report for a reader."""

from typing import Any

from tests.chaos.report import markdown, table
from tests.support.ledger import audit

FOUND: dict[str, Any] = {
    "minutes": 10.0,
    "seed": 7,
    "faults": {"kill store": 3, "power_cut store": 2},
    "sent": 1_000,
    **audit([], [], None, ()).report(),
    "drain_seconds": 3.5,
    "memory": {"gateway": {"largest_mb": 60.0, "slope_mb_per_hour": -1.5}},
    "control": {"lost": 5, "acknowledged": 90},
}


def test_every_figure_has_its_row() -> None:
    text = table(FOUND)
    for words in (
        "10, 7", "5: 3 x kill store, 2 x power cut store", "1,000 / 0", "0 (0.0 %)", "3.5", "gateway 60 MB, -1.5 MB/h",
        "5 of 90 lost",
    ):  # fmt: skip
        assert words in text
    assert markdown(FOUND).splitlines()[:2] == ["| | |", "|---|---|"]
    assert all(line.startswith("|") for line in markdown(FOUND).splitlines())


def test_what_is_missing_has_no_row_and_what_is_wrong_has_examples() -> None:
    control = "everysec"
    assert control in table(FOUND)
    without = {key: value for key, value in FOUND.items() if key != "control"}
    assert control not in table(without)
    assert "lost: [('e1', 'pay')]" in table({**FOUND, "examples": {"lost": [("e1", "pay")]}})
