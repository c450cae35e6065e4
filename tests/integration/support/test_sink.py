"""Generator, publisher and sink against each other: the instruments must be right before anything is measured."""

import hashlib
import http.client
import json
import time
from pathlib import Path
from typing import Any

import pytest

from receivers import generate_secret, sign
from tests.support.ledger import read_published
from tests.support.process import Process
from tests.support.sink_process import SinkProcess
from tests.support.waiting import wait_until

DATA = b'{"amount": 1.10, "note": "\xc3\xa9"}'
BODY = b'{"id":"e1","type":"t","source":"/s","timestamp":"2026-01-01T00:00:00Z","data":' + DATA + b"}"


def port_of(sink: SinkProcess) -> int:
    return int(sink.url("x").split(":")[2].split("/")[0])


def post(sink: SinkProcess, endpoint: str, headers: dict[str, str]) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=5)
    connection.request("POST", f"/{endpoint}", BODY, headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response


def signed(secret: str, timestamp: int) -> dict[str, str]:
    return {
        "webhook-id": "e1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secret, "e1", timestamp, BODY),
        "webhook-attempt": "3",
    }


def run(arguments: list[str], directory: Path, name: str = "load") -> dict[str, Any]:
    process = Process(name, arguments, directory)
    process.start()
    assert process.finish(30) == 0, process.output()
    result: dict[str, Any] = process.first_json()
    return result


def test_the_ledger_names_what_came_before_the_answer(tmp_path: Path) -> None:
    secret = generate_secret()
    with SinkProcess(tmp_path) as sink:
        sink.configure("pay", secrets=[secret])
        assert post(sink, "pay", signed(secret, time.time_ns() // 10**9)).status == 200
        assert post(sink, "pay", signed(generate_secret(), time.time_ns() // 10**9)).status == 200
        good, bad = sink.received()
    assert (good.id, good.endpoint, good.attempt, good.status) == ("e1", "pay", 3, 200)
    assert good.sha256 == hashlib.sha256(DATA).hexdigest()
    assert good.signature_ok
    assert not bad.signature_ok


def test_failures_are_drawn_from_a_seed_and_counted_per_endpoint(tmp_path: Path) -> None:
    with SinkProcess(tmp_path, seed=7) as sink:
        sink.configure("pay", fail=0.5, fail_status=503, headers="retry-after: 1\r\n")
        statuses = [post(sink, "pay", {}).status for _ in range(30)]
        assert set(statuses) == {200, 503}
        assert post(sink, "ship", {}).status == 200
        assert sink.stats()["endpoints"] == {"pay": 30, "ship": 1}
        sink.reset()
        assert sink.stats()["received"] == 0
    assert [line.status for line in sink.received() if line.endpoint == "pay"] == statuses


def test_held_answers_leave_when_released(tmp_path: Path) -> None:
    with SinkProcess(tmp_path) as sink:
        sink.configure("pay", hold=True)
        connection = http.client.HTTPConnection("127.0.0.1", port_of(sink), timeout=5)
        connection.request("POST", "/pay", BODY, {})
        sink.wait_received(1, 5, "pay")
        sink.configure("pay", hold=False)
        assert connection.getresponse().status == 200
        connection.close()


def test_closed_and_open_loop_agree_with_the_sink(tmp_path: Path) -> None:
    with SinkProcess(tmp_path, ledger=False) as sink:
        port = str(port_of(sink))
        closed = run(["tests.support.loadgen", "--port", port, "--key", "k", "--count", "500"], tmp_path)
        opened = run(
            ["tests.support.loadgen", "--port", port, "--key", "k", "--seconds", "1", "--rate", "200"], tmp_path
        )
        stats = sink.stats()
    assert closed["events"] == 500
    assert opened["events"] == 200
    assert 180 < opened["rate"] < 220
    assert stats["received"] == 700
    assert 0 < stats["latency_ms"]["p50"] <= closed["latency_ms"]["max"]


def test_a_generator_counts_refusals(tmp_path: Path) -> None:
    with SinkProcess(tmp_path) as sink:
        sink.configure("events", status=503)
        result = run(["tests.support.loadgen", "--port", str(port_of(sink)), "--key", "k", "--count", "100"], tmp_path)
    assert result["events"] == 0
    assert result["refused"] == 100


@pytest.mark.parametrize("rate", [400])
def test_a_publisher_writes_only_what_was_promised(tmp_path: Path, rate: int) -> None:
    ledger = tmp_path / "published"
    with SinkProcess(tmp_path) as sink:
        sink.configure("events", status=503)
        process = Process(
            "publisher",
            ["tests.support.publisher", "--port", str(port_of(sink)), "--key", "k", "--ledger", str(ledger),
             "--rate", str(rate), "--seconds", "0.5", "--patience", "0.5"],
            tmp_path,
        )  # fmt: skip
        process.start()
        assert process.finish(20) == 0, process.output()
        wait_until(ledger.exists, 1, "a ledger")
    lines = read_published(ledger)
    assert len(lines) >= 200
    assert all(line.t_ack is None for line in lines)
    sent = {json.dumps([line.id, line.sha256]) for line in lines}
    assert len(sent) == len(lines)
