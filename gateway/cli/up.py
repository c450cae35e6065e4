"""`hookline up`: the system alone, supervised, until Ctrl-C."""

import asyncio
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.folder import shown
from gateway.cli.running import run, tell_on
from gateway.cli.system import System
from gateway.cli.words import count
from gateway.clock import SystemClock
from gateway.settings import Settings

MAKE_KEY = "hookline keys create --name first --scope admin"


async def up(settings: Settings, environ: Mapping[str, str], console: Console) -> int:
    """Run the system; 0 after a clean stop. Raises CommandFailed when it does not start."""
    system = System(settings, environ, SystemClock(), tell_on(console))

    async def work() -> int:
        show(system, console)
        await asyncio.Event().wait()
        return 0

    return await run(system, work, console)


def show(system: System, console: Console) -> None:
    """What runs, and where to look."""
    settings, folder = system.settings, system.folder
    console.print(Text("\nHookline is up\n", look.STRONG))
    look.facts(console, [
        ("address", system.url),
        ("API key", f"in {shown(folder.admin_key)}" if settings.embedded else f"make one: {MAKE_KEY}"),
        ("store", store_fact(system)),
        ("running", f"gateway, {count(settings.dispatchers, 'dispatcher')}, worker"),
        ("logs", shown(folder.logs)),
    ])  # fmt: skip
    console.print(Text("\n  Ctrl-C stops everything", look.QUIET))


def store_fact(system: System) -> str:
    """Which store, without its password."""
    if system.settings.embedded:
        return f"embedded Valkey in {shown(system.folder.path / 'store')}, each write on disk before its answer"
    return "the one of HOOKLINE_REDIS_URL"
