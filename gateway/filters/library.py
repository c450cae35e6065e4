"""The CEL evaluator: the Rust extension of the distribution `common-expression-language`, behind the few calls in use.

The extension is loaded alone. Its package would bring a command line with it, which takes 170 ms and 20 MB.
"""

import importlib.machinery
import importlib.util
import re
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Protocol, cast

from gateway.filters.errors import FilterError, FilterFailed

_FAULT = re.compile(r"ERROR: <input>:([0-9]+):([0-9]+): (.*)")
_LONGEST_REASON = 200


class Context(Protocol):
    """Values in the evaluator's form, made once and used by any number of programs."""


class Program(Protocol):
    """A compiled expression."""

    def execute(self, context: Context) -> Any:
        """Its value."""
        ...


class _Extension(Protocol):
    def compile(self, expression: str) -> Program: ...

    def Context(self, variables: Mapping[str, Any]) -> Context: ...  # noqa: N802 - a class of the extension


@cache
def _extension() -> _Extension:
    package = importlib.util.find_spec("cel")
    if package is None or package.submodule_search_locations is None:
        raise ImportError("the package common-expression-language is missing: pip install 'hookline[server]'")
    spec = importlib.machinery.PathFinder.find_spec("cel", list(package.submodule_search_locations))
    if spec is None or spec.loader is None:
        raise ImportError("the package common-expression-language has no extension for this Python")
    spec.name = "cel.cel"
    module = sys.modules.get(spec.name)
    if module is None:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[spec.name] = module
    return cast("_Extension", module)


def compile_text(text: str) -> Program:
    """The program of an expression. Raises FilterError `filter_syntax` with the position."""
    try:
        return _extension().compile(text)
    except ValueError as error:
        found = _FAULT.search(str(error))
        if found is None:
            raise FilterError("filter_syntax", "this is not a CEL expression") from None
        line, column, reason = int(found[1]), int(found[2]), found[3]
        before = sum(len(one) for one in text.splitlines(keepends=True)[: line - 1])
        reason = "the expression ends too early" if "'<EOF>'" in reason else reason.removeprefix("Syntax error: ")
        raise FilterError("filter_syntax", reason[:_LONGEST_REASON], min(before + column - 1, len(text))) from None


def context(values: Mapping[str, Any]) -> Context:
    """Values for evaluation. Raises FilterFailed for a number that CEL does not have."""
    try:
        return _extension().Context(values)
    except (ValueError, OverflowError, TypeError) as error:
        raise FilterFailed(f"the event has a value that CEL does not have: {_first_line(error)}") from None


def evaluate(program: Program, values: Context) -> Any:
    """The value of a program. Raises FilterFailed."""
    try:
        return program.execute(values)
    except KeyError as error:
        raise FilterFailed(f"no such member: {error.args[0]!s:.100}; has() tells whether there is one") from None
    except Exception as error:  # noqa: BLE001 - whatever the evaluator raises, it is the filter's
        raise FilterFailed(_first_line(error)) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise FilterFailed("the evaluator gave up") from None


def text_of(literal: str) -> str | None:
    """The text that a string literal stands for; None if it stands for bytes."""
    value = evaluate(compile_text(literal), context({}))
    return value if isinstance(value, str) else None


def regex_fault(literal: str) -> str | None:
    """Why the evaluator does not take a literal as a regular expression; None if it does."""
    try:
        evaluate(compile_text(f"''.matches({literal})"), context({}))
    except FilterFailed as failed:
        return str(failed)
    return None


def _first_line(error: Exception) -> str:
    text = str(error)
    found = re.search(r"^error: (.*)", text, re.MULTILINE)
    line = found[1] if found else text.split("\n", 1)[0]
    return line.split(". ", 1)[0][:_LONGEST_REASON]
