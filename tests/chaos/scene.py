"""A system, a receiver and a directory for one fault; and many faults at the same time.

Most faults mean waiting: for a lease to run out, for a store that is away. Tests that mostly wait are marked `together`
and take `scene` beside their parameters: before the first of them is run all that were selected are, a few at a time,
each with a scene of its own, and nothing else meanwhile; each test then has the outcome of its own.
"""

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.sink_process import SinkProcess
from tests.support.system import System

AT_ONCE = 8


class Scene:
    """Everything that was started ends with it, and errors in the logs of a system are raised then."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stack = contextlib.ExitStack()
        self._sink: SinkProcess | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def start(self, **options: Any) -> System:
        """A system with the options of `System`."""
        return self._stack.enter_context(System(self.directory, **options))

    @property
    def sink(self) -> SinkProcess:
        """A receiver with a ledger."""
        if self._sink is None:
            self._sink = self._stack.enter_context(SinkProcess(self.directory))
        return self._sink


class Together:
    """Runs tests at the same time; their outcomes, and the seconds that each took."""

    def __init__(self, items: list[pytest.Function], directory: Path) -> None:
        self._outcomes: dict[str, Future[None]] = {}
        self.seconds: dict[str, float] = {}
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="together") as pool:
            for number, item in enumerate(items):
                self._outcomes[item.nodeid] = pool.submit(self._run, item, directory / f"{number}-{item.originalname}")

    def outcome(self, item: pytest.Function) -> None:
        """Raises what a test raised."""
        self._outcomes[item.nodeid].result()

    def _run(self, item: pytest.Function, directory: Path) -> None:
        parameters: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        directory.mkdir()
        begun = time.monotonic()
        try:
            with Scene(directory) as scene:
                item.obj(scene=scene, **parameters)
        finally:
            self.seconds[item.nodeid] = time.monotonic() - begun
