"""The counting receiver of the bench: it must count what came, or every figure is wrong."""

import http.client
import ssl
import time
from pathlib import Path

import pytest

from tests.bench.receiver import Receiver
from tests.integration.dispatcher.sender.authority import Authority
from tests.support.samples import MARK

BODY = b'{"data":{' + MARK + b'%020d"}}'


def post(connection: http.client.HTTPConnection, body: bytes) -> http.client.HTTPResponse:
    connection.request("POST", "/e0", body, {"webhook-id": "e1"})
    return connection.getresponse()


def port_of(receiver: Receiver) -> int:
    return int(receiver.url("x").split(":")[2].split("/")[0])


def test_it_counts_whole_requests_and_takes_their_latency(tmp_path: Path) -> None:
    with Receiver(tmp_path, ["--answer-bytes", "2048"]) as receiver:
        connection = http.client.HTTPConnection("127.0.0.1", port_of(receiver), timeout=5)
        for size in (0, 200_000):
            answer = post(connection, BODY % time.monotonic_ns() + b" " * size)
            assert (answer.status, len(answer.read())) == (200, 2_048)
        stats = receiver.wait_received(2, 5)
        assert 0 < stats["latency_ms"]["p50"] < 5_000
        receiver.reset()
        assert receiver.stats()["received"] == 0
        connection.close()


@pytest.mark.parametrize("closes", [False, True])
def test_it_speaks_tls_and_can_close_each_connection(tmp_path: Path, closes: bool) -> None:
    authority = Authority(tmp_path)
    authority.context("127.0.0.1")
    options = ["--certificate", str(tmp_path / "127.0.0.1-0.pem"), *(["--close"] if closes else [])]
    trust = ssl.create_default_context(cafile=authority.ca_file)
    with Receiver(tmp_path, options) as receiver:
        assert receiver.url("e0").startswith("https://127.0.0.1:")
        connection = http.client.HTTPSConnection("127.0.0.1", port_of(receiver), timeout=5, context=trust)
        answer = post(connection, BODY % 1)
        answer.read()
        assert (answer.status, answer.will_close) == (200, closes)
        receiver.wait_received(1, 5)
        connection.close()


def test_it_listens_on_every_loopback_address(tmp_path: Path) -> None:
    with Receiver(tmp_path, ["--host", "0.0.0.0"]) as receiver:
        for number in (1, 20):
            connection = http.client.HTTPConnection(f"127.0.1.{number}", port_of(receiver), timeout=5)
            assert post(connection, b"").read() == b""
            connection.close()
        receiver.wait_received(2, 5)
