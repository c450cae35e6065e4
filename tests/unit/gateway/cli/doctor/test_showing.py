"""What the doctor prints."""

import io
import json

from gateway.cli import console as look
from gateway.cli.doctor import showing
from gateway.cli.doctor.findings import Finding, Level, ok

WELL = [ok("store", "durable"), ok("endpoints", "3 in order")]
ILL = Finding(Level.RISK, "dispatchers", "none_alive", "none is alive\x07", "start one", {"alive": []})


def page(*findings: Finding) -> str:
    file = io.StringIO()
    showing.show(look.make(file), list(findings))
    return file.getvalue()


def test_a_sound_system_is_a_short_page() -> None:
    assert page(*WELL) == "\n  ok    store      durable\n  ok    endpoints  3 in order\n\n  All is well.\n"


def test_a_risk_has_its_way_out_below_it() -> None:
    assert page(ILL) == (
        "\n  risk  dispatchers  none is alive\\x07\n                     > start one\n\n  1 thing needs attention.\n"
    )
    assert page(ILL, ILL).endswith("\n  2 things need attention.\n")


def test_a_note_asks_for_nothing() -> None:
    assert page(ILL._replace(level=Level.NOTE)).endswith("\n  All is well.\n")


def test_long_texts_are_wrapped_below_their_beginning() -> None:
    long = ILL._replace(text="word " * 60, way_out="way " * 60)
    lines = page(long).splitlines()
    assert max(map(len, lines)) <= look.WIDTH
    assert [line[21:] for line in lines[2:4]] == [line.strip() for line in lines[2:4]]


def test_many_of_one_kind_are_cut_short() -> None:
    many = page(*[ILL] * 25)
    assert many.count("none is alive") == showing.SHOWN
    assert "5 more of dispatchers, risk: `hookline doctor --json` has them all" in many


def test_json_has_everything() -> None:
    told = json.loads(showing.as_json([*WELL, ILL], "2026-01-01T00:00:00.000Z"))
    assert (told["healthy"], told["attention"], told["checked_at"]) == (False, 1, "2026-01-01T00:00:00.000Z")
    assert told["findings"][2] == {
        "level": "risk",
        "subject": "dispatchers",
        "code": "none_alive",
        "text": "none is alive\x07",
        "way_out": "start one",
        "data": {"alive": []},
    }
    assert json.loads(showing.as_json(WELL, ""))["healthy"] is True
    assert json.loads(showing.failure_as_json("no store")) == {"healthy": None, "error": "no store"}
