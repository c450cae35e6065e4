"""Reads what the doctor judges.

Whether somebody is alive shows only in time: a lease or a member whose beat does not rise within `WATCH_SECONDS` has no
life, and a partition that has unread events and handles none in that time stands still.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway import ids
from gateway.cli.doctor.facts import Dispatcher, Facts, Letters, Partition, Store, Subject
from gateway.clock import Clock
from gateway.model.endpoint import Endpoint, Health
from gateway.settings import Settings
from gateway.store import (
    connection,
    deliveries,
    durability,
    endpoint_secrets,
    filter_errors,
    held,
    leases,
    ledger,
    members,
    vitals,
)
from gateway.store.breakers import Breaker
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.members import Member
from gateway.store.registry import Registry
from gateway.store.vault import KEY_FILE, Vault, VaultError

WATCH_SECONDS = 2.5 * leases.BEAT_SECONDS
LETTERS = 1_000
"""So many of the newest dead letters of each partition are looked at."""
AT_ONCE = 16
_PERSISTENCE = ("aof_last_write_status", "aof_last_bgrewrite_status")


class _Look(NamedTuple):
    leases: Sequence[leases.Lease]
    members: Mapping[str, Member]
    books: Sequence[ledger.Totals]


async def read(redis: Redis, settings: Settings, clock: Clock) -> Facts:
    """Read everything; takes `WATCH_SECONDS`. Raises redis.exceptions.RedisError."""
    registry = Registry(redis, clock)
    meta = await registry.meta()
    partitions = [PartitionKeys(number, meta.partitions) for number in range(meta.partitions)] if meta else []
    before = await _look(redis, partitions)
    if partitions:
        await clock.sleep(WATCH_SECONDS)
    after = await _look(redis, partitions)
    snapshot = await vitals.take(redis, partitions)
    vault, why_not = open_vault(settings)
    return Facts(
        settings,
        Store(await durability.check(redis), await _persistence(redis), meta.partitions if meta else None),
        snapshot,
        [Partition(*seen) for seen in zip(before.leases, after.leases, before.books, snapshot.partitions, strict=True)],
        [Dispatcher(name, before.members.get(name), member) for name, member in sorted(after.members.items())],
        await _ahead_ms(redis, clock),
        why_not,
        await _subjects(redis, partitions, await registry.list_endpoints(), snapshot.breakers, vault),
        await _letters(redis, registry, partitions),
    )


async def _look(redis: Redis, partitions: Sequence[PartitionKeys]) -> _Look:
    books = [(await ledger.snapshot(redis, partition)).counters for partition in partitions]
    return _Look(await leases.peek(redis, partitions), await members.peek(redis), books)


async def _persistence(redis: Redis) -> dict[str, str]:
    info: Any = await redis.info("persistence")
    return {name: str(info[name]) for name in _PERSISTENCE if name in info}


async def _ahead_ms(redis: Redis, clock: Clock) -> int:
    """Our clock against the store's, the way to the store and back halved."""
    before = clock.wall_ms()
    store_ms = await connection.store_ms(redis)
    return round((before + clock.wall_ms()) / 2) - store_ms


def open_vault(settings: Settings) -> tuple[Vault | None, str]:
    """The vault that a process with these settings has, or why there is none. Makes no key."""
    if settings.embedded and settings.encryption_keys is None and not (settings.data / KEY_FILE).exists():
        return None, f"{settings.data / KEY_FILE} is missing"
    try:
        return Vault.from_settings(settings, settings.data), ""
    except (VaultError, OSError) as error:
        return None, str(error)


def sealed(vault: Vault | None, endpoint: Endpoint) -> str:
    """Why its secrets do not open, '' when they do or there is no key to try."""
    if vault is None:
        return ""
    try:
        endpoint_secrets.texts_of(vault, endpoint)
    except VaultError as error:
        return str(error)
    return ""


async def _subjects(
    redis: Redis,
    partitions: Sequence[PartitionKeys],
    endpoints: Sequence[Endpoint],
    breakers: Mapping[int, Breaker],
    vault: Vault | None,
) -> list[Subject]:
    health = await HealthStore(redis).get([endpoint.number for endpoint in endpoints])
    holding = [one.number for one in endpoints if one.status == "paused" or one.catch_up or one.number in breakers]
    failed = await filter_errors.read(redis, endpoints)
    waiting = await _held(redis, partitions, holding)
    return [
        Subject(
            one,
            health.get(one.number, Health()),
            waiting.get(one.number, 0),
            breakers.get(one.number),
            sealed(vault, one),
            failed.get(one.number),
        )
        for one in endpoints
    ]


async def _held(redis: Redis, partitions: Sequence[PartitionKeys], wanted: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for start in range(0, len(wanted), AT_ONCE):
        page = wanted[start : start + AT_ONCE]
        counts = await asyncio.gather(*(held.count(redis, partitions, number) for number in page))
        found |= {number: waiting for number, (waiting, _) in zip(page, counts, strict=True)}
    return found


async def _letters(redis: Redis, registry: Registry, partitions: Sequence[PartitionKeys]) -> Letters:
    pipeline = redis.pipeline(transaction=False)
    for partition in partitions:
        pipeline.zcard(partition.dead)
        pipeline.zrange(partition.dead, 0, 0, withscores=True)
        pipeline.zrange(partition.dead, 0, LETTERS - 1, desc=True)
    rows = await pipeline.execute()
    oldest = [int(row[0][1]) for row in rows[1::3] if row]
    found: Counter[tuple[int, str]] = Counter()
    for partition, newest in zip(partitions, rows[2::3], strict=True):
        keys = [ids.unpack_key(row, partition.number) for row in newest]
        for key, record in zip(keys, await deliveries.read(redis, partition, keys), strict=True):
            if record is not None:
                found[key.endpoint, record.reason.name.lower()] += 1
    names = await registry.endpoint_names(_numbers(found))
    reasons = Counter[tuple[str, str]]()
    for (number, reason), count in found.items():
        reasons[names[number].endpoint if number in names else str(number), reason] += count
    return Letters(sum(rows[0::3]), min(oldest, default=None), found.total(), reasons)


def _numbers(found: Iterable[tuple[int, str]]) -> list[int]:
    return sorted({number for number, _ in found})
