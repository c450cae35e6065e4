"""Fixtures that tests of several packages share; a fixture of one package lives in that package."""

from collections.abc import Iterator

import pytest

from tests.support.valkey import ValkeyServer


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[ValkeyServer]:
    """The one server of the session; never killed, stopped or reconfigured by a test."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(shared_valkey: ValkeyServer) -> str:
    """URL of the session's server; a test uses its own key prefix or flushes first."""
    return shared_valkey.url


@pytest.fixture
def valkey_server() -> Iterator[ValkeyServer]:
    """A server of this test alone, started; it may be killed, paused, restarted."""
    with ValkeyServer() as server:
        yield server
