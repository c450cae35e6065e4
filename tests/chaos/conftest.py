"""Systems and receivers for one fault each."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.support.sink_process import SinkProcess
from tests.support.system import System


class Start(Protocol):
    """Starts a system that ends with the test."""

    def __call__(self, **options: Any) -> System: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start(dispatchers=2, ...)`: the options of `System`."""
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(System(tmp_path, **options))


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[SinkProcess]:
    """A receiver with a ledger."""
    with SinkProcess(tmp_path) as process:
        yield process
