"""`hookline ledger`: recounts what is in the store, prints the balance, says whether it balances."""

from redis.asyncio import Redis
from rich.console import Console
from rich.text import Text

from gateway.cli import console as look
from gateway.cli.attach import store
from gateway.cli.errors import CommandFailed
from gateway.clock import Clock
from gateway.settings import Settings
from gateway.store import ledger as books
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry

LABELS = {"unmatched": "matched nobody", "fanned": "fanned out"}


async def ledger(settings: Settings, clock: Clock, console: Console) -> int:
    """0 when the books balance, else 1."""
    async with store(settings) as redis:
        balance = await recount(redis, clock)
    show(console, balance)
    return 0 if balance.balanced else 1


async def recount(redis: Redis, clock: Clock) -> books.Balance:
    """Count everything again. Raises CommandFailed for a store that nothing was ever kept in."""
    meta = await Registry(redis, clock).meta()
    if meta is None:
        raise CommandFailed("this store is empty: nothing of Hookline was ever started on it")
    return await books.recount(redis, [PartitionKeys(number, meta.partitions) for number in range(meta.partitions)])


def show(console: Console, balance: books.Balance) -> None:
    """Both sides of the books, the verdict, and every difference."""
    for row in rows(balance.counted):
        console.print(Text(f"  {row}"))
    if not balance.settled:
        words = "the system worked while it was counted: figures that only grow were compared, the others are near"
        console.print(Text(f"  {words}", look.QUIET))
    if balance.balanced:
        console.print(Text("  balanced", look.GOOD).append(": the counters and a recount agree", look.QUIET))
        return
    console.print(Text("  does not balance", look.BAD))
    if balance.differences:
        found = [(_label(name), f"{a:,}", f"{b:,}") for name, (a, b) in balance.differences.items()]
        look.table(console, ("", "counters", "recount"), found)
    if balance.foreign:
        entries = "1 entry" if balance.foreign == 1 else f"{balance.foreign:,} entries"
        words = f"as if {entries} of the log came from somebody else than a gateway: each was handled, as poison if it"
        console.print(Text(f"  {words} is no event", look.QUIET))


def rows(totals: books.Totals) -> tuple[str, str]:
    """The two identities, aligned."""
    width = max(len(f"{totals[name]:,}") for name in ("accepted", "created"))
    return (
        f"events      {totals['accepted']:>{width},} accepted = {_sum(totals, books.EVENTS)}",
        f"deliveries  {totals['created']:>{width},} created  = {_sum(totals, books.DELIVERIES)}",
    )


def _sum(totals: books.Totals, names: tuple[str, ...]) -> str:
    return " + ".join(f"{totals[name]:,} {_label(name)}" for name in names)


def _label(name: str) -> str:
    return LABELS.get(name, name)
