"""Log lines: one JSON object each, whatever is in them."""

import json
import logging
import sys

import pytest

from gateway import logs


def line(**extra: object) -> dict[str, object]:
    record = logging.makeLogRecord(
        {"msg": "delivery.attempted", "name": "n", "levelno": 20, "levelname": "INFO", **extra}
    )
    text = logs.JsonFormatter().format(record)
    assert "\n" not in text
    parsed: dict[str, object] = json.loads(text)
    return parsed


def test_a_line_says_when_how_grave_what_and_where() -> None:
    parsed = line(endpoint="e1")
    assert (parsed["level"], parsed["event"], parsed["from"], parsed["endpoint"]) == (
        "info",
        "delivery.attempted",
        "n",
        "e1",
    )
    assert str(parsed["at"]).endswith("Z")


def test_control_characters_cannot_forge_a_line() -> None:
    assert line(msg='x\n{"level":"error"}\x1b[31m')["event"] == 'x\n{"level":"error"}\x1b[31m'


def test_errors_keep_their_trace() -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        parsed = line(exc_info=sys.exc_info())
    assert "ValueError: broken" in str(parsed["error"])


def test_everything_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure()
        logging.getLogger("x").info("dispatcher.started", extra={"partitions": 4})
    finally:
        root.handlers[:], level = before
        root.setLevel(level)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["partitions"] == 4
