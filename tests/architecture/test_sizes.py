"""No tail: every file and every function stays small enough to be read at once."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.architecture import source

FILE_LINES = 300
FUNCTION_LINES = 40


def test_files_are_short() -> None:
    code = [path for path in source.files() if path.suffix in {".py", ".lua"}]
    long = {str(path): source.text(path).count("\n") for path in code}
    assert {path: lines for path, lines in long.items() if lines > FILE_LINES} == {}


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(source.tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


def test_functions_are_short() -> None:
    lengths = dict(pair for path in source.python_files() for pair in functions(path))
    assert lengths, "no function was found"
    assert {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES} == {}


def test_functions_are_simple() -> None:
    command = [sys.executable, "-m", "ruff", "check", "--quiet", "--select", "C901", "--output-format", "concise", "."]
    checked = subprocess.run(command, cwd=source.ROOT, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout) == (0, "")
