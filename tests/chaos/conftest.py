"""Systems and receivers for one fault each."""

from collections.abc import Iterator
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


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run what is marked `together` when the first of it is asked for."""
    if not is_together(pyfuncitem):
        return None
    stash = pyfuncitem.session.stash
    if _together not in stash:
        items = [item for item in pyfuncitem.session.items if isinstance(item, pytest.Function) and is_together(item)]
        factory: pytest.TempPathFactory = pyfuncitem.config._tmp_path_factory  # type: ignore[attr-defined]  # no other way without a fixture
        stash[_together] = Together(items, factory.mktemp("together"))
    stash[_together].outcome(pyfuncitem)
    return True


def pytest_sessionfinish(session: pytest.Session) -> None:
    """End what still runs."""
    if _together in session.stash:
        session.stash[_together].close()
