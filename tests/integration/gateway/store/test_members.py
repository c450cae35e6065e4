import pytest
from redis.asyncio import Redis

from gateway.store.members import Members


async def test_a_beat_joins_and_grows_and_shows_everyone(plain_redis: Redis) -> None:
    members = Members(plain_redis)
    assert await members.beat("one") == {"one": 1}
    assert await members.beat("two") == {"one": 1, "two": 1}
    assert await members.beat("one") == {"one": 2, "two": 1}


async def test_a_beat_whose_reply_is_lost_still_changes(redis: Redis) -> None:
    members = Members(redis)
    first = await members.beat("one")
    assert (await members.beat("one"))["one"] > first["one"]


async def test_who_leaves_is_gone(redis: Redis) -> None:
    members = Members(redis)
    await members.beat("one")
    await members.beat("two")
    await members.leave("one")
    await members.leave("never joined")
    assert set(await members.beat("two")) == {"two"}


@pytest.mark.parametrize("lives", [False, True])
async def test_only_a_member_whose_beat_stands_still_is_removed(redis: Redis, lives: bool) -> None:
    members = Members(redis)
    seen = await members.beat("one")
    if lives:
        await members.beat("one")
    assert await members.remove("one", seen["one"]) is not lives
    assert ("one" in await members.beat("two")) is lives


async def test_removing_a_member_that_is_gone_holds(redis: Redis) -> None:
    assert await Members(redis).remove("nobody", 3)
