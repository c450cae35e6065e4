"""The command `hookline`. What a command does is in a module of its own, imported only when it runs."""

import asyncio
import os
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import click

from gateway import settings as configuration
from gateway.cli import console as look
from gateway.cli import programs
from gateway.cli.errors import CommandFailed
from gateway.clock import SystemClock
from gateway.model.api_key import SCOPES, Scope
from gateway.settings import Settings

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
_Command = TypeVar("_Command", bound=Callable[..., Any])


def load_settings() -> Settings:
    """The settings of the environment, or CommandFailed with the one that is wrong."""
    try:
        return configuration.load(os.environ)
    except configuration.SettingsError as error:
        raise CommandFailed(str(error)) from None


def _accept(_context: click.Context, _option: click.Parameter, accepted: bool) -> bool:
    if accepted:
        os.environ["HOOKLINE_ACCEPT_DATA_LOSS"] = "1"
    return accepted


def accept_data_loss(command: _Command) -> _Command:
    """The option that lets a process start on a store that is not durable; its children inherit it."""
    text = "Start on a store that may lose acknowledged events."
    return click.option("--accept-data-loss", is_flag=True, expose_value=False, callback=_accept, help=text)(command)


def become(module: tuple[str, ...]) -> NoReturn:
    """Replace this process by a module of the system, joined to the store of the settings."""
    from gateway.cli.attach import environment

    command = programs.python(module)
    os.execve(command[0], command, environment(load_settings(), os.environ))  # noqa: S606 - our own interpreter


class Ordered(click.Group):
    """Lists its commands as they are written, not by the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of definition."""
        return list(self.commands)


@click.group(cls=Ordered, context_settings=CONTEXT)
@click.version_option(package_name="hookline", prog_name="hookline", message="%(prog)s %(version)s")
def main() -> None:
    """Webhook gateway: events in over HTTP, kept in Redis, delivered as signed webhooks.

    Settings come from the environment: HOOKLINE_PORT, HOOKLINE_REDIS_URL and so on, all of them in
    deploy/env.example. Without HOOKLINE_REDIS_URL, `up` and `demo` start a store of their own, and the
    other commands talk to that one while it runs.
    """


@main.command(short_help="Run the whole system, supervised.")
@accept_data_loss
def up() -> None:
    """Run the whole system, each process restarted when it dies."""
    from gateway.cli.up import up as run

    sys.exit(asyncio.run(run(load_settings(), os.environ, look.make())))


@main.command(short_help="See it work: a story in four acts.")
@click.option("--once", is_flag=True, help="End after the story: 0 when every act succeeded, else 1.")
def demo(once: bool) -> None:
    """See it work: a story in four acts; the system then stays up for you to try."""
    from gateway.cli.demo.run import demo as run

    sys.exit(asyncio.run(run(load_settings(), os.environ, look.make(), once=once)))


@main.command(short_help="Run one gateway: events in, the API.")
@accept_data_loss
def gateway() -> None:
    """Run one gateway: takes events in over HTTP and answers the API."""
    become(programs.GATEWAY)


@main.command(short_help="Run one dispatcher: webhooks out.")
@accept_data_loss
def dispatcher() -> None:
    """Run one dispatcher: delivers the events of its share of the partitions."""
    become(programs.DISPATCHER)


@main.command(short_help="Run one worker: replays.")
@accept_data_loss
def worker() -> None:
    """Run one worker: does the operator jobs, such as replays."""
    become(programs.WORKER)


@main.command(short_help="Say how the system does and what is at risk.")
@click.option("--json", "as_json", is_flag=True, help="For machines: one JSON object with every finding.")
def doctor(as_json: bool) -> None:
    """Say how the system does, what is at risk, since when, and the way out.

    The exit code is 0 when nothing needs attention, 1 when something does, 2 when there is nothing to look at.
    """
    from gateway.cli.doctor.run import doctor as run

    sys.exit(asyncio.run(run(load_settings(), SystemClock(), look.make(), as_json=as_json)))


@main.command(short_help="Recount every event and delivery.")
def ledger() -> None:
    """Recount every event and delivery; exit code 1 when the books do not balance."""
    from gateway.cli.ledger import ledger as run

    sys.exit(asyncio.run(run(load_settings(), SystemClock(), look.make())))


@main.group()
def keys() -> None:
    """Make, list and revoke API keys; re-encrypt signing secrets."""


@keys.command("create")
@click.option("--name", required=True, help="Whose key it is; events published with it have source /keys/NAME.")
@click.option("--scope", "scopes", required=True, multiple=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option("--subscriber", help="Only this subscriber's objects can be seen and changed with it.")
def create_key(name: str, scopes: tuple[Scope, ...], subscriber: str | None) -> None:
    """Make a key and print it, this once, on standard output."""
    from gateway.cli import keys as commands

    sys.exit(asyncio.run(commands.create(load_settings(), SystemClock(), name, scopes, subscriber)))


@keys.command("list")
def list_keys() -> None:
    """List the keys, never their text."""
    from gateway.cli import keys as commands

    sys.exit(asyncio.run(commands.list_all(load_settings(), SystemClock(), look.make())))


@keys.command("revoke")
@click.argument("key_id", metavar="ID")
def revoke_key(key_id: str) -> None:
    """Make a key worthless; ID is the one that `keys list` shows."""
    from gateway.cli import keys as commands

    sys.exit(asyncio.run(commands.revoke(load_settings(), SystemClock(), key_id)))


@keys.command("rewrap")
def rewrap_secrets() -> None:
    """Encrypt all signing secrets with the first key of HOOKLINE_ENCRYPTION_KEYS.

    Nothing stops meanwhile, no secret changes. Before: every process knows the new key. After: the old one can go.
    """
    from gateway.cli import keys as commands

    sys.exit(asyncio.run(commands.rewrap(load_settings(), SystemClock())))


if __name__ == "__main__":
    main(prog_name="hookline")
