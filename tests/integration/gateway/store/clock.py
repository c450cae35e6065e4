"""A clock that tests turn by hand."""


class HandClock:
    """Wall milliseconds and monotonic seconds that move together, only when told."""

    def __init__(self) -> None:
        self.ms = 1_700_000_000_000

    def wall_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1_000

    async def sleep(self, seconds: float) -> None:
        self.ms += int(seconds * 1_000)
