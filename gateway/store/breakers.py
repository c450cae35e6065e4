"""Breakers: which endpoints fail so persistently that live deliveries are held, and who may try them again.

One value per endpoint in the registry's slot, none while the breaker is closed. Every change is a compare-and-set that
is announced in the change stream, so that of several dispatchers one opens it, one probes and one closes it.
"""

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.store import scripts
from gateway.store.keys import RegistryKeys

_VALUE = struct.Struct(">QQI8s")
NOBODY = bytes(8)


class Breaker(NamedTuple):
    """An open breaker; times in store milliseconds.

    It opened at `opened_ms`; at `next_ms` an attempt may be made (open), or the one that `holder` makes has ended or
    is lost (half open). `trips` counts the probes that failed.
    """

    opened_ms: int
    next_ms: int
    trips: int = 0
    holder: bytes = NOBODY

    @property
    def half_open(self) -> bool:
        """Whether somebody probes."""
        return self.holder != NOBODY


async def read(redis: Redis, numbers: Iterable[int] | None = None) -> dict[int, Breaker]:
    """Open breakers by endpoint number: those of some endpoints, or all."""
    if numbers is None:
        found: Any = await redis.hgetall(RegistryKeys.breakers)
        return {int(number): _unpack(value) for number, value in found.items()}
    wanted = list(numbers)
    values: Any = await redis.hmget(RegistryKeys.breakers, [str(n) for n in wanted]) if wanted else []
    return {number: _unpack(value) for number, value in zip(wanted, values, strict=True) if value}


async def swap(redis: Redis, number: int, before: Breaker | None, after: Breaker | None) -> bool:
    """Change a breaker that is as expected; None is a closed one. Whether it is now as wanted."""
    args = (number, _pack(before), _pack(after), "breaker", number)
    return bool(await scripts.load("registry_swap")(redis, (RegistryKeys.breakers, RegistryKeys.changes), args))


def _pack(breaker: Breaker | None) -> bytes:
    return b"" if breaker is None else _VALUE.pack(*breaker)


def _unpack(value: bytes) -> Breaker:
    return Breaker(*_VALUE.unpack(value))
