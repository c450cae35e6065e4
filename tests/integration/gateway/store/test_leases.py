import pytest
from redis.asyncio import Redis

from gateway.store import keys, leases
from tests.support.filled_store import FilledStore

NOBODY = leases.Lease("", "", 0)
PARTITION = keys.PartitionKeys(0, 4)


async def taken(redis: Redis, owner: str, seen: leases.Lease = NOBODY) -> leases.Taken:
    found = await leases.take(redis, PARTITION, owner, seen)
    assert found is not None
    return found


async def peek(redis: Redis) -> leases.Lease:
    return (await leases.peek(redis, [PARTITION]))[0]


async def test_a_lease_that_nobody_has_is_taken(redis: Redis) -> None:
    assert await peek(redis) == NOBODY
    mine = await taken(redis, "me")
    assert await peek(redis) == leases.Lease("me", mine.token, 0)
    assert (mine.mark, mine.top) == ("0-0", "0-0")
    assert await redis.get(PARTITION.recorded) == b"0-0"


async def test_a_live_lease_is_not_taken(redis: Redis) -> None:
    mine = await taken(redis, "me")
    seen = await peek(redis)
    assert set(await leases.beat(redis, [(PARTITION, mine.token)])) == {True}
    for wrong in (NOBODY, seen, leases.Lease("me", "another", 1)):
        assert await leases.take(redis, PARTITION, "other", wrong) is None
    assert (await peek(redis)).owner == "me"


async def test_a_lease_seen_unchanged_or_released_is_taken(redis: Redis) -> None:
    mine = await taken(redis, "me")
    theirs = await taken(redis, "other", await peek(redis))
    assert theirs.token != mine.token
    assert await leases.beat(redis, [(PARTITION, mine.token), (PARTITION, theirs.token)]) == [False, True]
    assert not await leases.release(redis, PARTITION, mine.token)
    assert (await peek(redis)).owner == "other"
    assert await leases.release(redis, PARTITION, theirs.token)
    assert (await peek(redis)).owner == ""
    assert await leases.take(redis, PARTITION, "third", NOBODY)


async def test_a_beat_grows(redis: Redis) -> None:
    mine = await taken(redis, "me")
    before = (await peek(redis)).beat
    await leases.beat(redis, [(PARTITION, mine.token)])
    assert (await peek(redis)).beat > before
    assert await leases.beat(redis, []) == []


async def test_a_lost_mark_is_mended_from_what_was_passed(plain_redis: Redis) -> None:
    filled = await FilledStore.open(plain_redis)
    first, second = await filled.publish(0), await filled.publish(0)
    await filled.settle(first, {})
    await plain_redis.delete(filled.partitions[0].recorded)
    (seen,) = await leases.peek(plain_redis, filled.partitions[:1])
    found = await leases.take(plain_redis, filled.partitions[0], "me", seen)
    assert found is not None
    assert (found.mark, found.top) == (first.stream_id, second.stream_id)


@pytest.mark.parametrize(
    ("one", "mark", "behind"), [("5-1", "5-1", True), ("5-2", "5-1", False), ("10-0", "9-9", False)]
)
def test_order_is_by_number(one: str, mark: str, behind: bool) -> None:
    assert leases.is_behind(one, mark) is behind
