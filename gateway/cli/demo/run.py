"""`hookline demo`: starts everything, tells the story, prints what can be tried, stays up."""

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli import ledger, up
from gateway.cli.demo import closing, lines
from gateway.cli.demo.api import Api, ApiFailed
from gateway.cli.demo.orders import Orders
from gateway.cli.demo.shop import Shop
from gateway.cli.demo.story import ActFailed, Story
from gateway.cli.errors import CommandFailed
from gateway.cli.folder import shown
from gateway.cli.running import run, tell_on
from gateway.cli.system import System
from gateway.clock import Clock, SystemClock
from gateway.settings import Settings
from gateway.store import connection, leases

LOOPBACK = "127.0.0.0/8"
OPENING_SECONDS = 0.6
"""To read who takes part; and a dispatcher that has just taken its partitions reads all of them after half a second."""
TAKE_OVER_SECONDS = 2 * leases.LEASE_SECONDS


async def demo(settings: Settings, environ: Mapping[str, str], console: Console, *, once: bool) -> int:
    """0 after the story (`once`) or after Ctrl-C, 1 when an act failed. Raises CommandFailed when it cannot start."""
    if not settings.embedded:
        raise CommandFailed(
            "the demo uses only a store that it starts itself: unset HOOKLINE_REDIS_URL, or run `hookline up` on yours"
        )
    allowed = ",".join((LOOPBACK, *settings.egress_allow))
    allowing = dataclasses.replace(settings, egress_allow=(LOOPBACK, *settings.egress_allow))
    clock = SystemClock()
    system = System(allowing, {**environ, "HOOKLINE_EGRESS_ALLOW": allowed}, clock, tell_on(console))

    async def work() -> int:
        return await _work(system, environ, console, clock, once=once)

    return await run(system, work, console)


async def _work(system: System, environ: Mapping[str, str], console: Console, clock: Clock, *, once: bool) -> int:
    async with Api(system.url, system.admin_key or "") as api:
        shop = Shop(api, system.keeping, environ)
        try:
            await _open(system, shop, console)
            await clock.sleep(OPENING_SECONDS)
            story = Story(api, shop, Orders(system.folder.path / "orders"), console, clock)
            await story.tell()
            await _balance(system, console, clock)
            if once:
                return 0
            await _stay(system, api, shop, story, console)
        except ActFailed as failed:
            return _say_failed(console, str(failed), system, failed.log)
        except (ApiFailed, TimeoutError) as error:
            return _say_failed(
                console,
                f"before act 1: {str(error or '') or 'a service or the dispatcher did not start'}",
                system,
                "gateway",
            )
    return 0


async def _open(system: System, shop: Shop, console: Console) -> None:
    await shop.leave("loyalty")
    await asyncio.gather(shop.join("payments"), shop.join("shipping"), system.wait_owned(TAKE_OVER_SECONDS))
    console.print(Text("\nHookline: one event, many independent receivers, nothing lost\n", look.STRONG))
    look.facts(
        console,
        [
            ("store", up.store_fact(system)),
            ("gateway", system.url),
            ("behind it", "a dispatcher and a worker, processes of their own"),
            *((name, f"a service of the shop, http://127.0.0.1:{port}") for name, port in sorted(shop.ports.items())),
        ],
    )
    lines.heads(console)


async def _balance(system: System, console: Console, clock: Clock) -> None:
    redis = connection.connect(system.store_url)
    try:
        balance = await ledger.recount(redis, clock)
    finally:
        await redis.aclose()
    console.print(Text("\nThe books\n", look.STRONG))
    ledger.show(console, balance)
    if not balance.balanced:
        raise ActFailed("the balance", "the counters and a recount differ", "dispatcher-1")


async def _stay(system: System, api: Api, shop: Shop, story: Story, console: Console) -> None:
    folder = system.folder
    where = closing.Where(system.url, system.admin_key or "", folder.path, folder.logs, story.delivery_id)
    closing.show(console, where, await closing.reader(api))

    def show(line: Mapping[str, Any]) -> None:
        if "status" in line:
            lines.show(console, lines.of_service(line, None))

    shop.feed.go_live(show)
    await asyncio.Event().wait()


def _say_failed(console: Console, why: str, system: System, log: str) -> int:
    console.print(Text("\nfailed ", look.BAD).append(look.safe(why)))
    console.print(Text(f"  look at {shown(system.folder.log(log))}, and the other logs beside it"))
    return 1
