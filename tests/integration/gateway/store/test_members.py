import pytest
from redis.asyncio import Redis

from gateway.clock import SystemClock
from gateway.store import connection, members
from gateway.store.members import Members
from tests.integration.gateway.store.clock import HandClock


async def test_a_beat_joins_and_grows_and_shows_everyone(plain_redis: Redis) -> None:
    alive = Members(plain_redis, SystemClock())
    assert await alive.beat("one") == {"one": 1}
    assert await alive.beat("two") == {"one": 1, "two": 1}
    assert await alive.beat("one") == {"one": 2, "two": 1}


async def test_a_beat_whose_reply_is_lost_still_changes(redis: Redis) -> None:
    alive = Members(redis, SystemClock())
    first = await alive.beat("one")
    assert (await alive.beat("one"))["one"] > first["one"]


async def test_who_leaves_is_gone(redis: Redis) -> None:
    alive = Members(redis, SystemClock())
    await alive.beat("one")
    await alive.beat("two")
    await alive.leave("one")
    await alive.leave("never joined")
    assert set(await alive.beat("two")) == {"two"}


@pytest.mark.parametrize("lives", [False, True])
async def test_only_a_member_whose_beat_stands_still_is_removed(redis: Redis, lives: bool) -> None:
    alive = Members(redis, SystemClock())
    seen = await alive.beat("one")
    if lives:
        await alive.beat("one")
    assert await alive.remove("one", seen["one"]) is not lives
    assert ("one" in await alive.beat("two")) is lives


async def test_removing_a_member_that_is_gone_holds(redis: Redis) -> None:
    assert await Members(redis, SystemClock()).remove("nobody", 3)


async def test_a_member_shows_its_clock(plain_redis: Redis) -> None:
    clock = HandClock()
    clock.ms = await connection.store_ms(plain_redis) + 90_000
    await Members(plain_redis, clock).beat("one")
    clock.ms -= 180_000
    await Members(plain_redis, clock).beat("two")
    found = await members.peek(plain_redis)
    assert {name: member.beat for name, member in found.items()} == {"one": 1, "two": 1}
    ahead = [found[name].ahead_ms or 0 for name in ("one", "two")]
    assert 80_000 < ahead[0] <= 90_000
    assert -100_000 < ahead[1] <= -90_000
