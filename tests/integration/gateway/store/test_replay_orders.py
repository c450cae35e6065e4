"""How many orders of one replay are left, and how many were carried out, counted among those of others."""

from redis.asyncio import Redis

from gateway import ids
from gateway.model.delivery import Record, State
from gateway.store import deliveries, replay_orders, work
from gateway.store.work import Kind
from tests.support.filled_store import FilledStore


async def test_orders_are_counted_by_run(plain_redis: Redis) -> None:
    filled = await FilledStore.open(plain_redis, partitions=2)
    wanted = []
    for number in range(6):
        address = await filled.publish(number % 2)
        await filled.settle(address, {})
        wanted.append(ids.DeliveryKey(*address, 7))
    for partition in filled.partitions:
        mine = [key for key in wanted if key.partition == partition.number]
        await work.order(plain_redis, partition, mine[:2], Kind.FILL, 5)
        await work.order(plain_redis, partition, mine[2:], Kind.FILL, 6)
    assert [await replay_orders.outstanding(plain_redis, filled.partitions, run) for run in (5, 6, 7)] == [4, 2, 0]
    assert await replay_orders.sent(plain_redis, filled.partitions, 5) == 0

    call = deliveries.Settle(filled.partitions[0], filled.tokens[0], wanted[4].address.stream_id)
    after = Record(State.DELIVERED, attempts=1, status=200, changed_ms=1, run=5)
    change = deliveries.Transition(wanted[0], None, after, late=True, ordered=True, replayed=True)
    call.transition(change)
    assert await call.send(plain_redis) == ("K", "1")
    assert await replay_orders.outstanding(plain_redis, filled.partitions, 5) == 3
    assert await replay_orders.sent(plain_redis, filled.partitions, 5) == 1
