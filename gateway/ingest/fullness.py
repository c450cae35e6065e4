"""Whether the store has room for events: refused from 90 % of its memory until it is below 88 %."""

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.problems import Problem
from gateway.store import connection, durability

FULL_SHARE = 0.90
ROOM_SHARE = 0.88
SAMPLE_SECONDS = 0.1


class Fullness:
    """Sampled in the background; the store's own limit stands behind it."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis, self._clock = redis, clock
        self.full = False
        self.share = 0.0

    def check(self) -> None:
        """Raise Problem `store_full` while there is no room."""
        if self.full:
            raise Problem("store_full", f"the store's memory is used to {self.share:.0%}; events are taken below 88 %")

    async def run_once(self) -> None:
        """Take one sample. Raises redis errors."""
        self.share = (await durability.memory(self._redis)).share
        self.full = self.share >= (ROOM_SHARE if self.full else FULL_SHARE)

    async def run(self) -> None:
        """Sample for ever, through every outage."""
        while True:
            try:
                await self.run_once()
            except Exception as error:
                if not connection.is_unavailable(error):
                    raise
            await self._clock.sleep(SAMPLE_SECONDS)
