"""Habits that are easier to keep than to restore."""

import ast
import re
import tomllib
from pathlib import Path

from tests.architecture import source

TEXT_SUFFIXES = {".py", ".lua", ".md", ".toml", ".yaml", ".yml", ".json", ".sh", ".conf", ".example", ".txt", ""}
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home|Users)/")
REGISTRY_HOSTS = ("pypi" + ".org", "python" + "hosted.org")
NOQA = re.compile(r"#\s*noqa(?!: [A-Z0-9, ]+ - \S)")
TYPE_IGNORE = re.compile(r"#\s*type:\s*ignore(?!\[[a-z, -]+\]  # \S)")


def lines_with(pattern: re.Pattern[str], paths: tuple[Path, ...]) -> list[str]:
    return [
        f"{path}:{number}"
        for path in paths
        for number, line in enumerate(source.text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def code_files() -> tuple[Path, ...]:
    return tuple(path for path in source.python_files() if path.parts[:2] != ("tests", "architecture"))


def test_no_test_sleeps() -> None:
    sleepers = []
    for path in source.python_files():
        if path.parts[0] != "tests":
            continue
        for node in ast.walk(source.tree(path)):
            attribute = isinstance(node, ast.Attribute) and node.attr == "sleep" and isinstance(node.value, ast.Name)
            named = attribute and node.value.id in {"time", "asyncio", "anyio"}  # type: ignore[attr-defined]  # checked
            imported = isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names)
            if named or imported:
                sleepers.append(f"{path}:{node.lineno}")  # type: ignore[attr-defined]  # an expression or statement
    assert sleepers == []


def test_exceptions_to_a_rule_have_a_reason() -> None:
    assert lines_with(NOQA, code_files()) == []
    assert lines_with(TYPE_IGNORE, code_files()) == []


def test_nothing_depends_on_one_machine() -> None:
    paths = tuple(path for path in source.files() if path.suffix in TEXT_SUFFIXES)
    assert lines_with(MACHINE_PATH, paths) == []
    hosts = re.compile("|".join(re.escape(host) for host in REGISTRY_HOSTS))
    assert lines_with(hosts, paths) == []


def test_imports_are_absolute() -> None:
    relative = [
        f"{path}:{node.lineno}"
        for path in source.python_files()
        for node in ast.walk(source.tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_the_checkers_are_strict() -> None:
    tool = tomllib.loads(source.text(Path("pyproject.toml")))["tool"]
    assert tool["mypy"]["strict"] is True
    assert set(tool["mypy"]["files"]) == {*source.PACKAGES, "tests"}
    assert tool["pytest"]["ini_options"]["filterwarnings"][0] == "error"
    assert tool["ruff"]["lint"]["mccabe"]["max-complexity"] <= 8
    assert {"time.time", "asyncio.sleep", "random.random"} <= set(
        tool["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    )
