"""A clock without patience: waits are noted and over at once; the rest is the machine's clock."""

import asyncio

from gateway.clock import SystemClock


class HastyClock(SystemClock):
    """`waits` are the seconds that would have been slept."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        await asyncio.get_running_loop().run_in_executor(None, int)
