"""Log lines, read by people."""

from pathlib import Path

import pytest

from gateway.cli import words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plain text", "plain text"),
        ('{"level":"error","event":"start.refused","error":"no key"}', "start.refused: no key"),
        ('{"level":"error"}', '{"level":"error"}'),
        ("[1, 2]", "[1, 2]"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("", ""),
    ],
)
def test_a_log_line_says(line: str, said: str) -> None:
    assert words.of_log_line(line) == said


def test_a_long_line_is_cut() -> None:
    assert len(words.of_log_line("x" * 5_000)) == 300


def test_last_words_are_the_last_line_with_text(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert words.last_words(log) == "it said nothing"
    log.write_text("first\nlast\n\n  \n")
    assert words.last_words(log) == "last"


def test_numbers() -> None:
    assert [words.seconds(0.5), words.seconds(10.0)] == ["0.5 s", "10 s"]
    assert [words.count(1, "worker"), words.count(2_000, "worker")] == ["1 worker", "2,000 workers"]
