"""How many deliveries a replay's rate allows now.

The next delivery may go at `next_ms`, and each one moves that on by its share of a second. Up to `CATCH_UP_MS` of
lateness are made up for; what a longer pause left out is not, so that an endpoint is never flooded after one. `next_ms`
is store time and is saved with the replay: it holds over slices and workers.
"""

TURNS_PER_SECOND = 10
CATCH_UP_MS = 100


class Pacer:
    """`rate` is deliveries per second, None for any number at once; `next_ms` 0 at the beginning."""

    def __init__(self, rate: int | None, next_ms: int) -> None:
        self._rate, self.next_ms = rate, next_ms

    def allowed(self, now_ms: int, most: int) -> int:
        """How many may go now, at most `most`."""
        if self._rate is None:
            return most
        if now_ms < self.next_ms:
            return 0
        return min(most, max(1, self._rate // TURNS_PER_SECOND))

    def spent(self, count: int, now_ms: int) -> None:
        """So many went."""
        if self._rate is None or not count:
            return
        begin = self.next_ms if now_ms - self.next_ms <= CATCH_UP_MS else now_ms
        self.next_ms = begin - (-count * 1_000 // self._rate)

    def limit(self, most: int) -> int:
        """How many may be under way: two seconds' worth, so that nothing piles up while an owner is away."""
        return most if self._rate is None else min(most, max(4, 2 * self._rate))
