"""What is printed: aligned, and nothing but text when it is not a terminal."""

import io

import pytest
from rich.text import Text

from gateway.cli import console as look


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("forcing", ["FORCE_COLOR", "TTY_COMPATIBLE", "COLORTERM", "TERM"])
def test_no_escape_leaves_for_a_file_whatever_the_environment(forcing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(forcing, "1")
    file = io.StringIO()
    look.make(file).print(Text("failed", look.BAD))
    assert file.getvalue() == "failed\n"


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    file = Terminal()
    look.make(file).print(Text("failed", look.BAD))
    assert file.getvalue() == "\x1b[31mfailed\x1b[0m\n"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    file = Terminal()
    look.make(file).print(Text("failed", look.BAD))
    assert file.getvalue() == "failed\n"


def test_long_lines_are_never_wrapped() -> None:
    file = io.StringIO()
    look.make(file).print(Text("curl " + "x" * 400))
    assert file.getvalue().count("\n") == 1


def test_brackets_are_text() -> None:
    file = io.StringIO()
    look.make(file).print("[red]order[/red] :smile:")
    assert file.getvalue() == "[red]order[/red] :smile:\n"


def test_control_characters_are_shown_not_sent() -> None:
    assert look.safe("a\x1b[31mb\nc\u202e") == "a\\x1b[31mb\\nc\\u202e"
    assert look.safe("Zürich 東京") == "Zürich 東京"


def test_facts_are_aligned() -> None:
    file = io.StringIO()
    look.facts(look.make(file), [("address", "http://x"), ("API key", "k")])
    assert file.getvalue() == "  address  http://x\n  API key  k\n"


def test_table_has_columns_as_wide_as_their_widest_cell() -> None:
    file = io.StringIO()
    look.table(look.make(file), ("id", "name"), [("1", "first"), ("22", "b")])
    assert file.getvalue() == "  id  name\n  1   first\n  22  b\n"
