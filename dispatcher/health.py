"""What the attempts of the last moment say about each endpoint, reported to the registry in coarse batches.

A success that follows a success is not news: it is reported at most every `QUIET_SECONDS`, so that a healthy endpoint
costs nothing per delivery.
"""

from dispatcher.delivery import Delivery
from dispatcher.outcome import error_of
from dispatcher.sender import Answered, Result
from gateway.clock import Clock
from gateway.model.endpoint import LastFailure
from gateway.store.health import HealthReport, HealthStore

REPORT_SECONDS = 1.0
QUIET_SECONDS = 30.0


class _Note:
    __slots__ = ("failures", "first_failure_ms", "last_failure", "last_success_ms", "successes")

    def __init__(self) -> None:
        self.successes = self.failures = self.first_failure_ms = self.last_success_ms = 0
        self.last_failure: LastFailure | None = None


class HealthNotes:
    """Collects between two reports."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._notes: dict[int, _Note] = {}
        self._quiet_until: dict[int, float] = {}

    @property
    def numbers(self) -> list[int]:
        """The endpoints of which something was noted."""
        return list(self._notes)

    def note(self, delivery: Delivery, result: Result, success: bool, now_ms: int) -> None:
        """Take the result of one attempt."""
        number = delivery.endpoint
        note = self._notes.get(number)
        if note is None:
            note = self._notes[number] = _Note()
        if success:
            note.successes += 1
            note.failures, note.first_failure_ms, note.last_success_ms = 0, 0, now_ms
            return
        note.failures += 1
        note.first_failure_ms = note.first_failure_ms or now_ms
        status = result.status if isinstance(result, Answered) else None
        note.last_failure = LastFailure(now_ms, error_of(result).name.lower(), status, delivery.key.delivery_id)

    def take(self, names: dict[int, str]) -> list[HealthReport]:
        """The reports that are due, and forget them; `names` maps endpoint numbers to ids."""
        now = self._clock.monotonic()
        reports: list[HealthReport] = []
        kept: dict[int, _Note] = {}
        for number, note in self._notes.items():
            if number not in names:
                continue
            news = note.last_failure is not None
            if not news and now < self._quiet_until.get(number, 0.0):
                kept[number] = note
                continue
            self._quiet_until[number] = 0.0 if news else now + QUIET_SECONDS
            reports.append(
                HealthReport(
                    number, names[number], note.successes, note.failures, note.first_failure_ms,
                    note.last_success_ms, note.last_failure,
                )
            )  # fmt: skip
        self._notes = kept
        return reports


class HealthReporter:
    """Sends the reports; endpoints that fail for too long are disabled by the script that takes them."""

    def __init__(self, notes: HealthNotes, store: HealthStore, disable_after_seconds: int) -> None:
        self._notes, self._store, self._disable_after = notes, store, disable_after_seconds

    async def run_once(self, names: dict[int, str], now_ms: int) -> list[str]:
        """Report once; the ids of endpoints that are now disabled. What could not be reported is lost, not retried."""
        reports = self._notes.take(names)
        return await self._store.report(reports, self._disable_after, now_ms) if reports else []
