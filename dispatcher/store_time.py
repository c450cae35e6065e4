"""Store time: Redis TIME sampled once, moved on by our monotonic clock.

Neither a step of our wall clock nor one of the store's after the sample makes a retry early.
"""

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.store.connection import store_ms


class StoreTime:
    """Milliseconds of the store; `sample` first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset_ms = 0.0

    async def sample(self, redis: Redis) -> None:
        """Read the store's clock; the reading is never ahead of it."""
        sampled = await store_ms(redis)
        self._offset_ms = sampled - self._clock.monotonic() * 1_000

    def now_ms(self) -> int:
        """Now, by the store's clock."""
        return int(self._offset_ms + self._clock.monotonic() * 1_000)
