"""Every Lua script says what it takes, gives and guarantees, and can run on a cluster."""

import re
from pathlib import Path

import pytest

from tests.architecture import source

SCRIPTS = [path for path in source.files() if path.suffix == ".lua"]
GATEWAY_SCRIPTS = [path for path in SCRIPTS if path.parts[0] == "gateway"]


def header(path: Path) -> str:
    lines = source.text(path).splitlines()
    comments = []
    for line in lines:
        if not line.startswith(("--", "#!")):
            break
        comments.append(line)
    return "\n".join(comments)


def test_there_are_scripts() -> None:
    assert len(SCRIPTS) > 3


@pytest.mark.parametrize("path", SCRIPTS, ids=str)
@pytest.mark.parametrize("word", ["KEYS", "ARGV", "Returns", "Invariant"])
def test_header_is_complete(path: Path, word: str) -> None:
    assert re.search(rf"^--\s*{word}\b", header(path), re.MULTILINE), f"{path} does not say its {word}"


@pytest.mark.parametrize("path", GATEWAY_SCRIPTS, ids=str)
def test_flags_are_declared(path: Path) -> None:
    assert source.text(path).startswith("#!lua"), f"{path} lacks `#!lua flags=...`"


@pytest.mark.parametrize("path", SCRIPTS, ids=str)
def test_keys_come_in_from_outside(path: Path) -> None:
    code = re.sub(r"--.*", "", source.text(path))
    assert "hl:" not in code
