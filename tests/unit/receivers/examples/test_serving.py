"""Ports and refusals of the examples; serving itself is in the end-to-end tests of the demo."""

import socket

import pytest

from receivers.examples.serving import CannotStart, free_port


def test_any_free_port() -> None:
    assert free_port("127.0.0.1", 0) > 0


def test_a_taken_port_is_refused_although_the_server_could_share_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = taken.getsockname()[1]
        with pytest.raises(CannotStart, match=rf"cannot listen on 127\.0\.0\.1:{port} \(.*in use.*\); give another"):
            free_port("127.0.0.1", port)


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_port_that_is_none_is_refused(port: int) -> None:
    with pytest.raises(CannotStart, match="give another --port"):
        free_port("127.0.0.1", port)
