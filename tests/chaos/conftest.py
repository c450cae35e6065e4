"""Systems and receivers for one fault each."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.chaos.scene import Scene, Together
from tests.support.sink_process import SinkProcess
from tests.support.system import System

_together = pytest.StashKey[Together]()


class Start(Protocol):
    """Starts a system that ends with the test."""

    def __call__(self, **options: Any) -> System: ...


def pytest_configure(config: pytest.Config) -> None:
    """The marker is only for this directory."""
    config.addinivalue_line("markers", "together: mostly waits; runs at the same time as others of its kind")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """Starts what is asked for. A test that is marked `together` gets another one than this."""
    with Scene(tmp_path) as made:
        yield made


@pytest.fixture
def start(scene: Scene) -> Start:
    """`start(dispatchers=2, ...)`: the options of `System`."""
    return scene.start


@pytest.fixture
def sink(scene: Scene) -> SinkProcess:
    """A receiver with a ledger."""
    return scene.sink


def is_together(item: pytest.Item) -> bool:
    """Whether a test runs at the same time as others; one that is skipped does not run."""
    skipped = any(mark.args[0] for mark in item.iter_markers("skipif"))
    return item.get_closest_marker("together") is not None and not skipped


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run all that is marked `together` before the first of it, outside of its time limit."""
    if is_together(item) and _together not in item.session.stash:
        items = [other for other in item.session.items if isinstance(other, pytest.Function) and is_together(other)]
        factory: pytest.TempPathFactory = item.config._tmp_path_factory  # type: ignore[attr-defined]  # no other way without a fixture
        item.session.stash[_together] = Together(items, factory.mktemp("together"))
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """What is marked `together` has been run."""
    if not is_together(pyfuncitem):
        return None
    pyfuncitem.session.stash[_together].outcome(pyfuncitem)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """How long each of them took, when durations are asked for."""
    session = getattr(terminalreporter, "_session", None)
    if session is None or _together not in session.stash or config.getoption("durations") is None:
        return
    terminalreporter.section("seconds of what ran at the same time")
    for name, seconds in sorted(session.stash[_together].seconds.items(), key=lambda pair: -pair[1]):
        terminalreporter.line(f"{seconds:.1f} s {name}")
