"""Runs a System around some work, until the work is done or a signal comes.

The first SIGINT, SIGTERM or SIGHUP stops everything in order; a second one kills.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.child import Ended
from gateway.cli.folder import shown
from gateway.cli.system import System
from gateway.cli.words import of_log_line, seconds

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
Work = Callable[[], Awaitable[int]]


def tell_on(console: Console) -> Callable[[Ended], None]:
    """Says on the console that a process ended by itself and when it starts again."""

    def tell(ended: Ended) -> None:
        line = Text("  ").append(ended.name, look.STRONG).append(f" {ended.how}", look.BAD)
        line.append(f", starts again in {seconds(ended.wait_seconds)}")
        if ended.last_line:
            line.append(f"  {of_log_line(ended.last_line)}", look.QUIET)
        console.print(line.append(f"  log: {shown(ended.log)}", look.QUIET))

    return tell


async def run(system: System, work: Work, console: Console) -> int:
    """Start the system, do the work, stop the system; the work's exit code, 0 when a signal ended it.

    Raises CommandFailed when the system does not start; it is stopped then too.
    """
    stop, kill = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in SIGNALS:
        loop.add_signal_handler(number, lambda: kill.set() if stop.is_set() else stop.set())
    try:
        return await until(_start_and(system, work), stop) or 0
    finally:
        await _stop(system, kill, console, told=stop.is_set())
        for number in SIGNALS:
            loop.remove_signal_handler(number)


async def _start_and(system: System, work: Work) -> int:
    await system.start()
    return await work()


async def until(work: Awaitable[int], event: asyncio.Event) -> int | None:
    """The work's result, or None when the event came first; the work is cancelled then."""
    working, waiting = asyncio.ensure_future(work), asyncio.ensure_future(event.wait())
    done, pending = await asyncio.wait({working, waiting}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    return working.result() if working in done else None


async def _stop(system: System, kill: asyncio.Event, console: Console, *, told: bool) -> None:
    if told:
        console.print(Text("\n  stopping; Ctrl-C again kills", look.QUIET))
    stopping: asyncio.Future[Any] = asyncio.ensure_future(system.stop())
    killing = asyncio.ensure_future(kill.wait())
    await asyncio.wait({stopping, killing}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        system.kill()
    killing.cancel()
    await asyncio.gather(stopping, killing, return_exceptions=True)
    if told:
        how = "killed" if kill.is_set() else "stopped"
        console.print(Text(f"  {how}; the data stay in {shown(system.folder.path)}", look.QUIET))
