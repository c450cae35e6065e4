"""The printer as a reader runs it: its lines, its refusals, Ctrl-C, and what keeps it from starting."""

import http.client
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import IO

import pytest

from receivers import generate_secret, headers
from receivers.clock import wall_seconds
from receivers.event import read
from receivers.examples import printer
from receivers.verification import Verified
from tests.support.webhooks import event_body, signed_headers

SECRET = generate_secret()


class Running:
    """The printer in its own process, on a port of its choice."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "receivers.examples.printer", "--port", "0"],
            env={**os.environ, "HOOKLINE_SECRET": SECRET, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: queue.Queue[str] = queue.Queue()
        assert self.process.stdout is not None
        self.reader = threading.Thread(target=self.read_lines, args=(self.process.stdout,))
        self.reader.start()
        listening = self.line()
        assert listening.startswith("listening on http://127.0.0.1:")
        self.port = int(listening.split()[2].rsplit(":", 1)[1])

    def read_lines(self, output: IO[str]) -> None:
        with output:
            for line in output:
                self.lines.put(line.rstrip("\n"))

    def line(self) -> str:
        return self.lines.get(timeout=20)

    def post(self, body: bytes, **more: str) -> int:
        sent = signed_headers(body, secret=SECRET, webhook_id="evt_1", timestamp=int(wall_seconds()))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request("POST", "/hooks", body, {**sent, **more})
        status = connection.getresponse().status
        connection.close()
        return status

    def stop(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        status = self.process.wait(20)
        self.reader.join()
        return status


@pytest.fixture
def running() -> Iterator[Running]:
    running = Running()
    yield running
    running.process.kill()
    running.process.wait()
    running.reader.join()


def test_a_line_for_every_request_and_a_clean_end(running: Running) -> None:
    body = event_body(subject="order-1\x1b[31m")
    assert running.post(body, **{"webhook-attempt": "2"}) == 200
    line = running.line()
    assert line == r'verified  order.placed  evt_1  attempt 2  subject "order-1\u001b[31m"  {"amount":5}'
    assert running.post(body) == 200
    assert running.line().startswith("duplicate  order.placed  evt_1")
    assert running.post(body, **{"webhook-signature": "v1,x"}) == 401
    assert running.line().startswith("refused 401  signature_mismatch: ")
    assert running.post(b"[]") == 400
    assert running.line().startswith("refused 400  payload_invalid: ")
    assert running.post(event_body("hookline.test"), **{"webhook-id": "evt_2"}) == 401
    assert running.stop() == 0
    assert running.line().startswith("refused 401")
    assert running.line() == "stopped"
    assert running.lines.empty()


def test_sigterm_with_an_open_connection_ends_it_too(running: Running) -> None:
    with socket.create_connection(("127.0.0.1", running.port)):
        assert running.stop(signal.SIGTERM) == 0
    assert running.line() == "stopped"


def test_a_taken_port_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert printer.main(["--port", str(port), "--secret", SECRET], {}) == 1
    told = capsys.readouterr().err
    assert told == f"printer: cannot listen on 127.0.0.1:{port} (Address already in use); give another --port\n"


def test_a_port_taken_by_another_printer_is_told(running: Running, capsys: pytest.CaptureFixture[str]) -> None:
    assert printer.main(["--port", str(running.port)], {"HOOKLINE_SECRET": SECRET}) == 1
    assert "Address already in use" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no secret"),
        (["--secret", "whsec_abc"], "base64"),
        (["--secret", SECRET, "--port", "99999"], "99999"),
        (["--secret", SECRET, "--host", "192.0.2.1"], "192.0.2.1"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert printer.main(arguments, {}) == 1
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


def test_without_its_server_it_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "granian.server.embed", None)
    assert printer.main(["--secret", SECRET, "--port", "0"], {}) == 1
    assert "hookline[server]" in capsys.readouterr().err


def test_long_data_is_shortened_and_a_replay_is_named() -> None:
    body = event_body(data="x" * 1000)
    fields = headers.read({"webhook-replay": "rpl_1"})
    line = printer.describe(read(body, fields, Verified("evt_1", 1, None, "v1", 0)))
    assert line.startswith('order.placed  evt_1  attempt ?  replay "rpl_1"  "xxx')
    assert line.endswith("x...")
    assert len(line) < 250
