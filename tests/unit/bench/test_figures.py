"""A table that says by how much a goal is missed."""

import json

from tests.bench.figures import Figure, document, number, table

MET = Figure("ingest", 12_345.6, "events/s", ">= 10000", {"latency_ms": {"p50": 1, "p99": 1.5}, "refused": 0})
MISSED = Figure("latency", 4.5, "ms", "<= 3")
FREE = Figure("CPU", 0.0123, "s")


def test_a_goal_is_met_missed_or_absent() -> None:
    assert MET.met is True
    assert MET.missed_by == ""
    assert MISSED.met is False
    assert MISSED.missed_by == "missed by 50%"
    assert FREE.met is None


def test_numbers_are_readable() -> None:
    assert [number(value) for value in (12_345.6, 4.5, 0.0123)] == ["12,346", "4.5", "0.0123"]


def test_the_table_has_a_line_per_figure_and_the_details_below() -> None:
    lines = table([MET, MISSED, FREE]).splitlines()
    assert len(lines) == 7
    assert "12,346 events/s" in lines[2]
    assert lines[2].endswith("met")
    assert lines[3].endswith("missed by 50%")
    assert lines[6] == "ingest: latency_ms p50=1 p99=1.5, refused 0"


def test_the_document_is_json() -> None:
    written = json.loads(json.dumps(document([MET], {"cpus": 2})))
    assert written["machine"] == {"cpus": 2}
    assert written["figures"][0]["met"] is True
    assert written["figures"][0]["facts"]["refused"] == 0
