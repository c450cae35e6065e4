"""Filters that had no answer for an event, which counts as not matched: counted here, reported once a second.

Nothing is written per event. What could not be reported is kept for the next time; a process that dies loses what it
saw in its last second.
"""

from collections.abc import Callable

from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.store import filter_errors
from gateway.store.filter_errors import FilterErrors

REPORT_SECONDS = 1.0
MAXIMUM_ENDPOINTS = 10_000


class FilterErrorNotes:
    """Collects between two reports; `now_ms` gives store milliseconds."""

    def __init__(self, redis: Redis, now_ms: Callable[[], int]) -> None:
        self._redis, self._now_ms = redis, now_ms
        self._notes: dict[tuple[int, str], tuple[Endpoint, FilterErrors]] = {}

    def failed(self, endpoint: Endpoint, reason: str) -> None:
        """The endpoint's filter had no answer."""
        key = (endpoint.number, endpoint.filter)
        known = self._notes.get(key)
        if known is None and len(self._notes) >= MAXIMUM_ENDPOINTS:
            return
        self._notes[key] = (endpoint, FilterErrors((known[1].times if known else 0) + 1, reason, self._now_ms()))

    async def run_once(self) -> int:
        """Report once; of how many filters. Raises redis errors."""
        notes, self._notes = self._notes, {}
        if not notes:
            return 0
        try:
            await filter_errors.report(self._redis, list(notes.values()))
        except BaseException:
            self._keep(notes)
            raise
        return len(notes)

    def _keep(self, notes: dict[tuple[int, str], tuple[Endpoint, FilterErrors]]) -> None:
        for key, (endpoint, errors) in notes.items():
            newer = self._notes.get(key)
            if newer is None:
                self._notes[key] = (endpoint, errors)
            else:
                self._notes[key] = (endpoint, newer[1]._replace(times=newer[1].times + errors.times))
