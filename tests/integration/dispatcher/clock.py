"""The machine's clocks, with jumps."""

import asyncio
import contextlib
import time


class JumpClock:
    """Real time plus what a test jumped; a jump ends the waits whose time has come by it."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self._wall_ahead = 0.0
        self._jumped = asyncio.Event()

    def wall_ms(self) -> int:
        return time.time_ns() // 1_000_000 + int((self.ahead + self._wall_ahead) * 1_000)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        self.ahead += seconds
        self._jumped.set()
        self._jumped = asyncio.Event()

    def set_wall(self, seconds: float) -> None:
        """Step the wall clock alone, as an operator does."""
        self._wall_ahead = seconds

    async def sleep(self, seconds: float) -> None:
        until = self.monotonic() + seconds
        await asyncio.wait({asyncio.ensure_future(_nothing())})
        while (left := until - self.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._jumped.wait(), left)


async def _nothing() -> None:
    """One turn of the loop, so that a wait of no time lets others run."""
