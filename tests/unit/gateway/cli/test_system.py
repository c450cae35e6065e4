"""What the system decides before it starts; that it runs is in the end-to-end tests."""

import socket

import pytest

from gateway import settings as configuration
from gateway.cli import system
from gateway.cli.errors import CommandFailed
from tests.support.valkey import free_port


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080"),
        ("0.0.0.0", "http://127.0.0.1:8080"),
        ("::", "http://[::1]:8080"),
        ("::1", "http://[::1]:8080"),
        ("gateway.internal", "http://gateway.internal:8080"),
    ],
)
def test_the_address_is_one_that_this_machine_reaches(host: str, url: str) -> None:
    assert system.base_url(configuration.load({"HOOKLINE_HOST": host})) == url


def test_events_stop_coming_in_before_they_stop_going_out() -> None:
    names = ["store", "worker", "dispatcher-2", "payments", "gateway", "dispatcher-1"]
    assert sorted(names, key=system.stop_rank) == [
        "gateway", "dispatcher-2", "dispatcher-1", "worker", "payments", "store",
    ]  # fmt: skip
    assert system.stop_rank("dispatcher-1") == system.stop_rank("dispatcher-2")


def test_a_free_port_is_free_again_afterwards() -> None:
    settings = configuration.load({"HOOKLINE_PORT": str(free_port())})
    system.require_free_port(settings)
    system.require_free_port(settings)


def test_a_taken_port_names_another_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandFailed, match=f"port {port} on 127.0.0.1 is taken: .*HOOKLINE_PORT={port + 1}"):
            system.require_free_port(configuration.load({"HOOKLINE_PORT": str(port)}))


def test_an_address_that_is_not_here_is_told() -> None:
    settings = configuration.load({"HOOKLINE_HOST": "192.0.2.1", "HOOKLINE_PORT": str(free_port())})
    with pytest.raises(CommandFailed, match=r"on 192\.0\.2\.1 cannot be used"):
        system.require_free_port(settings)
