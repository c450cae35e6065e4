"""Store time moves with our monotonic clock from the one sample, whatever the walls do."""

from dispatcher.store_time import StoreTime
from gateway.store import connection
from tests.support.clock import HandClock


async def test_it_goes_on_from_the_sample(valkey_url: str) -> None:
    redis = connection.connect(valkey_url)
    clock = HandClock()
    time = StoreTime(clock)
    before = await connection.store_ms(redis)
    await time.sample(redis)
    sampled = time.now_ms()
    assert before <= sampled <= await connection.store_ms(redis)
    clock.now += 2.25
    assert time.now_ms() == sampled + 2_250
    await redis.aclose()
