"""Every row of the fault list has tests that make it happen, and they exist."""

import ast
from pathlib import Path

from tests.architecture import source
from tests.chaos.rows import ROWS

COUNT = 22


def chaos_tests() -> set[str]:
    """`file::test` of every test of tests/chaos."""
    found = set()
    for path in source.python_files():
        if path.parent == Path("tests/chaos") and path.name.startswith("test_"):
            for node in ast.walk(ast.parse(source.text(path))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                    found.add(f"{path.stem}::{node.name}")
    return found


def test_every_row_of_the_fault_list_has_a_test() -> None:
    assert list(ROWS) == list(range(1, COUNT + 1))
    assert all(row.tests and row.fault and row.holds for row in ROWS.values())


def test_the_tests_of_the_rows_exist_and_no_other_is_without_a_row() -> None:
    named = {test for row in ROWS.values() for test in row.tests}
    found = chaos_tests()
    assert named <= found, named - found
    assert {test for test in found - named if not test.startswith("test_short_chaos::")} == set()
