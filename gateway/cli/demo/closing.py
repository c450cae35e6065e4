"""What is printed after the story: where the system is, and commands that work as they are printed.

The reader's own receiver gets a subscriber id and a port that are free now, and a secret that is part of the commands,
so that nothing has to be copied from an answer.
"""

import contextlib
import json
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Any, NamedTuple

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.demo.api import Api
from gateway.cli.demo.shop import HOST, free_port
from gateway.cli.folder import shown
from receivers import generate_secret

FIRST_PORT = 9000
OWN = "mine"


class Reader(NamedTuple):
    """The reader's own receiver."""

    subscriber: str
    port: int
    secret: str


class Where(NamedTuple):
    """The running system, and a delivery to try things on."""

    url: str
    key: str
    data: Path
    logs: Path
    delivery: str


async def reader(api: Api, port: int = FIRST_PORT) -> Reader:
    """A subscriber id that nobody has, a port that nobody uses, a new secret."""
    number = 1
    while await api.find(f"/v1/subscribers/{_name(number)}") is not None:
        number += 1
    return Reader(_name(number), first_free_port(port), generate_secret())


def first_free_port(port: int) -> int:
    """The first port from `port` on that nobody listens on; any free one after a hundred."""
    for candidate in range(port, port + 100):
        with contextlib.suppress(OSError), socket.create_server((HOST, candidate)):
            return candidate
    return free_port()


def _name(number: int) -> str:
    return OWN if number == 1 else f"{OWN}-{number}"


def show(console: Console, where: Where, who: Reader) -> None:
    """Facts and commands."""
    console.print(Text("\nHookline stays up\n", look.STRONG))
    look.facts(
        console,
        [("address", where.url), ("API key", where.key), ("data", shown(where.data)), ("logs", shown(where.logs))],
    )
    console.print(Text("\nTry it from another terminal, in this folder\n", look.STRONG))
    for what, command in commands(where, who):
        console.print(Text("  # " + what, look.QUIET))
        console.print(Text("  " + command + "\n"))
    console.print(Text("What your events do shows here. Ctrl-C stops everything.\n", look.QUIET))


def commands(where: Where, who: Reader) -> list[tuple[str, str]]:
    """What to try, and the command line for it."""
    endpoint = {"url": f"http://127.0.0.1:{who.port}/", "secret": who.secret}
    subscriber = {"id": who.subscriber, "kind": "internal", "endpoints": [endpoint]}
    order = {"type": "order.placed", "subject": "my-order", "data": {"total": "9.00 EUR"}}
    python = shown_python()
    printer = f"{python} -m receivers.examples.printer --port {who.port} --secret {who.secret}"
    return [
        ("a receiver of your own: run it, and leave it running", printer),
        ("tell the gateway about it (in a third terminal)", request(where, "POST", "/v1/subscribers", subscriber)),
        ("publish an event: it reaches the shop's services and yours", request(where, "POST", "/v1/events", order)),
        ("the newest deliveries", request(where, "GET", "/v1/deliveries?limit=5")),
        (
            "send one of them again (this one is from act 3)",
            request(where, "POST", f"/v1/deliveries/{where.delivery}/redeliver"),
        ),
        ("count everything again", f"{command_of_data(where)}{_beside_python('hookline')} ledger"),
    ]


def request(where: Where, method: str, path: str, body: Any = None) -> str:
    """A command line that sends one request: curl, or httpx where curl is not installed."""
    url, key = shlex.quote(where.url + path), f"$(cat {shlex.quote(shown(where.data / 'admin-key'))})"
    text = None if body is None else shlex.quote(json.dumps(body, separators=(",", ":")))
    if shutil.which("curl"):
        head = f'curl -s {url} -H "Authorization: Bearer {key}"'
        if text is None:
            return head if method == "GET" else f"{head} -X {method}"
        return f"{head} \\\n    -H 'Content-Type: application/json' -d {text}"
    head = f'{_beside_python("httpx")} {url} -m {method} -h Authorization "Bearer {key}"'
    return head if text is None else f"{head} \\\n    -j {text}"


def shown_python() -> str:
    """This interpreter as it is typed from here."""
    return shlex.quote(shown(Path(sys.executable)))


def _beside_python(name: str) -> str:
    return shlex.quote(shown(Path(sys.executable).with_name(name)))


def command_of_data(where: Where) -> str:
    """The setting that names the data folder, where it is not the usual one."""
    usual = Path.cwd() / ".hookline"
    return "" if where.data == usual else f"HOOKLINE_DATA={shlex.quote(shown(where.data))} "
