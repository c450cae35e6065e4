"""The commands, their help and their refusals; what they do is tested where it is."""

import os

import click
import pytest
from click.testing import CliRunner

from gateway.cli import main as cli
from gateway.cli.errors import CommandFailed


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name in [name for name in os.environ if name.startswith("HOOKLINE_")]:
        monkeypatch.delenv(name)
    return CliRunner()


def commands(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for command in group.commands.values():
        found += [command, *(commands(command) if isinstance(command, click.Group) else [])]
    return found


def test_these_are_the_commands(run: CliRunner) -> None:
    assert list(cli.main.commands) == ["up", "demo", "gateway", "dispatcher", "worker", "doctor", "ledger", "keys"]
    text = run.invoke(cli.main, ["--help"]).output
    assert text.index("  up ") < text.index("  demo ") < text.index("  keys ")
    assert "..." not in text.partition("Commands:")[2], "a short help is cut"


@pytest.mark.parametrize("command", commands(cli.main), ids=lambda command: command.name)
def test_everything_is_explained(command: click.Command) -> None:
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"--{parameter.name} says nothing"


def test_a_misspelt_setting_stops_every_command(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_PROT", "8080")
    for arguments in (["up"], ["demo"], ["gateway"], ["doctor"], ["ledger"], ["keys", "list"]):
        result = run.invoke(cli.main, arguments)
        assert result.exit_code == 1
        assert result.output.startswith("hookline: HOOKLINE_PROT is not a setting; known are HOOKLINE_REDIS_URL")


def test_the_demo_refuses_a_store_that_is_not_its_own(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_REDIS_URL", "redis://127.0.0.1:6379")
    result = run.invoke(cli.main, ["demo", "--once"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert "unset HOOKLINE_REDIS_URL, or run `hookline up`" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["keys", "create"], ["keys", "create", "--name", "x"], ["keys", "create", "--name", "x", "--scope", "root"]],
)
def test_a_key_needs_a_name_and_a_known_scope(run: CliRunner, arguments: list[str]) -> None:
    assert run.invoke(cli.main, arguments).exit_code == 2


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch, run: CliRunner) -> None:
    monkeypatch.setenv("HOOKLINE_PORT", "9999")
    assert cli.load_settings().port == 9999
    monkeypatch.setenv("HOOKLINE_PORT", "zero")
    with pytest.raises(CommandFailed, match="HOOKLINE_PORT is 'zero'"):
        cli.load_settings()


def test_a_process_command_becomes_its_module(run: CliRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr("os.execve", lambda *call: seen.append(call))
    monkeypatch.setenv("HOOKLINE_REDIS_URL", "redis://127.0.0.1:6379")
    monkeypatch.delenv("HOOKLINE_ACCEPT_DATA_LOSS", raising=False)
    run.invoke(cli.main, ["dispatcher", "--accept-data-loss"])
    [(program, command, environ)] = seen
    assert command == (program, "-m", "dispatcher")
    assert environ["HOOKLINE_ACCEPT_DATA_LOSS"] == "1"
