"""The project's own files, read once, for the gates: tracked ones, and new ones that are not ignored."""

import ast
import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("gateway", "dispatcher", "receivers")


@functools.cache
def files() -> tuple[Path, ...]:
    """Every text file of the project, relative to its root; from git, or from the folder when it is no checkout."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode == 0:
        names = [Path(name) for name in listed.stdout.splitlines()]
    else:
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if not _is_hidden(path.relative_to(ROOT))]
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


@functools.cache
def python_files() -> tuple[Path, ...]:
    """Every Python file, relative to the root."""
    return tuple(path for path in files() if path.suffix == ".py")


@functools.cache
def text(path: Path) -> str:
    """The text of one of `files()`."""
    return (ROOT / path).read_text("utf-8")


@functools.cache
def tree(path: Path) -> ast.Module:
    """The parsed text of one of `python_files()`."""
    return ast.parse(text(path), str(path))
