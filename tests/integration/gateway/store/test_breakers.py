"""Breakers in the store: compared and swapped, announced once, gone when closed."""

from typing import Any

from redis.asyncio import Redis

from gateway.store import breakers
from gateway.store.breakers import Breaker
from gateway.store.keys import RegistryKeys

OPEN = Breaker(1_000, 2_000)
PROBED = OPEN._replace(holder=b"somebody", next_ms=9_000)


async def announced(redis: Redis) -> list[tuple[str, int]]:
    rows: Any = await redis.xrange(RegistryKeys.changes)
    return [(fields[b"kind"].decode(), int(fields[b"id"])) for _, fields in rows]


async def test_one_opens_it_and_everybody_is_told_once(redis: Redis) -> None:
    assert await breakers.swap(redis, 7, None, OPEN)
    assert not await breakers.swap(redis, 7, None, OPEN._replace(next_ms=3_000))
    assert await breakers.read(redis) == {7: OPEN}
    assert await announced(redis) == [("breaker", 7)]


async def test_of_two_one_probes(redis: Redis) -> None:
    assert await breakers.swap(redis, 7, None, OPEN)
    other = PROBED._replace(holder=b"anybody!")
    assert await breakers.swap(redis, 7, OPEN, PROBED)
    assert not await breakers.swap(redis, 7, OPEN, other)
    assert await breakers.read(redis) == {7: PROBED}
    assert PROBED.half_open
    assert not OPEN.half_open


async def test_a_closed_one_leaves_nothing(redis: Redis) -> None:
    assert await breakers.swap(redis, 7, None, OPEN)
    assert await breakers.swap(redis, 7, OPEN, None)
    assert not await redis.exists(RegistryKeys.breakers)
    assert await breakers.swap(redis, 7, OPEN, None), "it is as wanted"
    assert await announced(redis) == [("breaker", 7)] * 2


async def test_what_is_not_as_expected_stays(redis: Redis) -> None:
    assert await breakers.swap(redis, 7, None, PROBED)
    assert not await breakers.swap(redis, 7, OPEN, None)
    assert await breakers.read(redis) == {7: PROBED}


async def test_some_or_all_are_read(redis: Redis) -> None:
    largest = Breaker(2**48, 2**48 + 1, 2**32 - 1, bytes(range(248, 256)))
    assert await breakers.read(redis) == await breakers.read(redis, []) == await breakers.read(redis, [1]) == {}
    for number, breaker in ((1, OPEN), (2, PROBED), (2**31, largest)):
        assert await breakers.swap(redis, number, None, breaker)
    assert await breakers.read(redis, [1, 2**31, 5]) == {1: OPEN, 2**31: largest}
    assert await breakers.read(redis) == {1: OPEN, 2: PROBED, 2**31: largest}
