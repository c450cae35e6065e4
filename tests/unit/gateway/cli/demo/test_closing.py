"""Commands as they are printed; that they work is shown by the end-to-end test of the demo."""

import io
import shlex
import socket
from pathlib import Path

import pytest

from gateway.cli import console as look
from gateway.cli.demo import closing

READER = closing.Reader("mine", 9001, "whsec_abc")


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> closing.Where:
    monkeypatch.chdir(tmp_path)
    data = tmp_path / ".hookline"
    return closing.Where("http://127.0.0.1:8080", "hk_key", data, data / "logs", "dlv_1")


def with_tools(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}" if name in names else None)


def test_every_command_is_one_shell_command(where: closing.Where, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tools(monkeypatch, "curl")
    for _, command in closing.commands(where, READER):
        words = shlex.split(command.replace("\\\n", ""))
        assert words[0].endswith(("python", "curl", "hookline", "python3", "python3.11"))


def test_the_printer_has_the_secret_and_the_port_of_its_endpoint(
    where: closing.Where, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_tools(monkeypatch, "curl")
    (_, printer), (_, register), *_ = closing.commands(where, READER)
    assert printer.endswith("-m receivers.examples.printer --port 9001 --secret whsec_abc")
    assert '"url":"http://127.0.0.1:9001/","secret":"whsec_abc"' in register
    assert '"id":"mine","kind":"internal"' in register


def test_the_key_stays_in_its_file(where: closing.Where, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tools(monkeypatch, "curl")
    command = closing.request(where, "GET", "/v1/deliveries?limit=5")
    assert command == (
        "curl -s 'http://127.0.0.1:8080/v1/deliveries?limit=5' -H \"Authorization: Bearer $(cat .hookline/admin-key)\""
    )


def test_without_curl_it_is_httpx(where: closing.Where, monkeypatch: pytest.MonkeyPatch) -> None:
    with_tools(monkeypatch)
    command = closing.request(where, "POST", "/v1/events", {"type": "a.b"})
    words = shlex.split(command.replace("\\\n", ""))
    assert words[0].endswith("httpx")
    assert words[1:4] == ["http://127.0.0.1:8080/v1/events", "-m", "POST"]
    assert words[-2:] == ["-j", '{"type":"a.b"}']


def test_another_folder_is_named(where: closing.Where, tmp_path: Path) -> None:
    assert closing.command_of_data(where) == ""
    assert closing.command_of_data(where._replace(data=tmp_path / "my data")) == "HOOKLINE_DATA='my data' "


def test_a_taken_port_is_passed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert closing.first_free_port(port) > port


def test_it_says_address_key_data_and_logs(where: closing.Where) -> None:
    file = io.StringIO()
    closing.show(look.make(file), where, READER)
    text = file.getvalue()
    for fact in ("http://127.0.0.1:8080", "hk_key", ".hookline\n", ".hookline/logs", "Ctrl-C"):
        assert fact in text
