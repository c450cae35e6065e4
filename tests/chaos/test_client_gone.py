"""A publisher goes away at every byte of its request (FAULTS 1, row 21)."""

import json
import socket

import pytest

from tests.chaos.conftest import Start
from tests.support.system import System

pytestmark = pytest.mark.chaos


def request_of(system: System, event_id: str) -> bytes:
    body = json.dumps({"type": "order.placed", "id": event_id, "data": 1}).encode()
    head = (
        f"POST /v1/events HTTP/1.1\r\nhost: 127.0.0.1:{system.port}\r\nauthorization: Bearer {system.key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def send(system: System, data: bytes, *, half_close: bool) -> None:
    """Send and go: with a FIN, or at once with a reset."""
    with socket.create_connection(("127.0.0.1", system.port), timeout=5) as connection:
        connection.sendall(data)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        else:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


@pytest.mark.parametrize("half_close", [True, False], ids=["half-close", "reset"])
def test_no_event_or_exactly_one(start: Start, *, half_close: bool) -> None:
    system = start(dispatchers=0)
    whole = request_of(system, "e-cut")
    for length in range(len(whole)):
        send(system, whole[:length], half_close=half_close)
    # the gateway works through its connections in order: an answered request comes after all of them
    assert system.api.publish({"type": "order.placed", "id": "e-after", "data": 1}).status_code == 202
    assert system.api.http.get("/v1/events/e-cut").status_code == 404
    for _ in range(20):
        send(system, whole, half_close=half_close)
    assert system.api.publish({"type": "order.placed", "id": "e-last", "data": 1}).status_code == 202
    assert system.stored() <= 3
    answer = system.api.publish({"type": "order.placed", "id": "e-cut", "data": 1})
    assert answer.status_code == 202, answer.text
    assert system.stored() == 3
