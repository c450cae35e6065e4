"""Attempts: from a delivery whose turn it is to the transition that its outcome asks for.

Effects in other slots come first: an endpoint that said 410 is disabled before its delivery is settled, and one that a
probe got through to is enabled, so that a crash between the two repeats the attempt instead of forgetting the effect.
"""

import asyncio
import logging
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from msgspec.structs import replace

from dispatcher import outcome, request, terms
from dispatcher.breakers import Breakers
from dispatcher.delivery import Delivery
from dispatcher.health import HealthNotes
from dispatcher.lanes import Lanes
from dispatcher.registry_view import RegistryView, RouteRefused
from dispatcher.sender import Failed, Result, Sender
from dispatcher.terms import Terms
from gateway.clock import Clock, Random
from gateway.model.delivery import Attempt, Reason, pack_attempt
from gateway.model.endpoint import Format
from gateway.model.event import Event
from gateway.settings import Settings
from gateway.store.work import Kind

HISTOGRAM_MS = (5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000)
_BOUNDS = (*map(str, HISTOGRAM_MS), "+Inf")
HEAD_KEPT = 2_048
LARGE_BYTES = 4_096
log = logging.getLogger("dispatcher.attempts")

Disable = Callable[[Delivery, Result], Awaitable[None]]


async def _nothing(_delivery: Delivery) -> None:
    pass


class StoreTime(Protocol):
    """The store's clock as sampled once, moved on by our monotonic one."""

    def now_ms(self) -> int:
        """Store milliseconds."""
        ...


class Attempts:
    """Starts attempts and takes their results."""

    def __init__(
        self, settings: Settings, clock: Clock, random: Random, time: StoreTime, view: RegistryView,
        sender: Sender, notes: HealthNotes, breakers: Breakers, disable: Disable,
    ) -> None:  # fmt: skip
        self._settings, self._clock, self._random, self._time = settings, clock, random, time
        self._view, self._sender, self._notes, self._disable = view, sender, notes, disable
        self._breakers = breakers
        self.lanes = Lanes(clock, self.start, self.terms)
        self.running = 0
        self.frugal = False
        """Keep no head and body of responses: the store has no memory for what is not promised."""
        self.idle = asyncio.Event()
        self.idle.set()
        self.on_recovered: Callable[[Delivery], Awaitable[None]] = _nothing
        """Called with the delivery of a probe that got through, before that is settled."""
        self._event: Event | None = None
        self._contents: dict[Format, request.Content] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def terms(self, number: int) -> Terms:
        """What holds for an endpoint now."""
        return terms.terms(self._view.endpoint(number), self._settings, broken=self._breakers.is_open(number))

    def start(self, delivery: Delivery) -> None:
        """Make one attempt; the result comes back to `_done`, never from within this call."""
        self.running += 1
        self.idle.clear()
        delivery.started_ms = self._clock.wall_ms()
        off = self.refused(delivery)
        if off is not None:
            asyncio.get_running_loop().call_soon(self._decline, delivery, off)
            return
        try:
            self._send(delivery)
        except RouteRefused as refused:
            log.warning("endpoint.refused", extra={"delivery": delivery.key.delivery_id, "why": str(refused)})
            self._fail(delivery, Failed("address_blocked", str(refused), "", 0.0))
        except Exception as error:
            # one delivery that cannot be made into a request must not stop the loop that came to it
            log.exception("attempt.failed", extra={"delivery": delivery.key.delivery_id})
            self._fail(delivery, Failed("protocol", f"the request could not be made: {error!r}", "", 0.0))

    def refused(self, delivery: Delivery) -> Reason | None:
        """Why its endpoint may not be sent to; None if it may, or if this is the probe that finds out."""
        off = delivery.queue.terms.off if delivery.running else self._view.off_reason(delivery.endpoint)
        if off is Reason.ENDPOINT_DISABLED and delivery.kind is Kind.PROBE and self._view.is_failing(delivery.endpoint):
            return None
        return off

    def _send(self, delivery: Delivery) -> None:
        route = self._view.route(delivery.endpoint)
        carried = self.content(delivery.event, route.endpoint.format)
        made = request.build(
            route, delivery.event, delivery.key, delivery.attempt, delivery.started_ms, delivery.trigger, carried
        )
        done = partial(self._done, delivery, route, made.signature)
        deadline = delivery.queue.terms.deadline_seconds
        self._sender.send(route.destination, made.pieces, deadline, done)
        if len(delivery.event.data) > LARGE_BYTES:
            # it is on its way: an endpoint that hangs must not keep the payloads of all its attempts in memory
            delivery.event = replace(delivery.event, data=b"")

    def _fail(self, delivery: Delivery, failed: Failed) -> None:
        asyncio.get_running_loop().call_soon(self._done, delivery, None, b"", failed)

    def longest_seconds(self, number: int) -> int:
        """When an attempt at an endpoint that runs now must have ended: its deadline and a second."""
        return self.lanes.queue(number).terms.deadline_seconds + 1

    async def finish(self) -> None:
        """Wait until what runs has ended and its outcomes are queued to be settled."""
        await self.idle.wait()
        await asyncio.gather(*self._tasks)

    def content(self, event: Event, format_: Format) -> request.Content:
        """An event in a format, made once for its many endpoints."""
        if self._event is not event:
            self._event, self._contents = event, {}
        found = self._contents.get(format_)
        if found is None:
            found = self._contents[format_] = request.content(event, format_)
        return found

    def _decline(self, delivery: Delivery, off: Reason) -> None:
        self._free(delivery)
        delivery.running = False
        if not delivery.partition.lost:
            delivery.partition.decline(delivery, off, self._time.now_ms())

    def _free(self, delivery: Delivery) -> None:
        self.running -= 1
        if self.running == 0:
            self.idle.set()
        self.lanes.finished(delivery)

    def _done(self, delivery: Delivery, route: request.Route | None, signature: bytes, result: Result) -> None:
        self._free(delivery)
        if delivery.partition.lost:
            return
        holding = delivery.queue.terms
        now = outcome.Moment(self._time.now_ms(), self._clock.wall_ms())
        policy = outcome.Policy(holding.schedule, holding.off, holding.aside)
        verdict = outcome.judge(delivery.old, result, delivery.kind, delivery.run, policy, now, self._random)
        self._measure(delivery, result)
        recovered = verdict.success and delivery.kind is Kind.PROBE
        if not recovered:
            self._notes.note(delivery, result, verdict.success, now.store_ms)
        self._breakers.note(delivery.endpoint, success=verdict.success)
        self.lanes.heed(delivery.queue, success=verdict.success, slower=outcome.says_slower(result))
        attempt = self._describe(delivery, route, signature, result)
        if not verdict.gone and not recovered:
            self._settle(delivery, verdict, attempt)
            return
        effect = self._disable(delivery, result) if verdict.gone else self.on_recovered(delivery)
        self._later(self._first(effect, delivery, partial(self._settle, delivery, verdict, attempt)))

    def _settle(self, delivery: Delivery, verdict: outcome.Verdict, attempt: bytes) -> None:
        if delivery.partition.lost:
            return
        announce = delivery.partition.dies(delivery, verdict.after)
        delivery.running = False
        delivery.partition.transition(delivery, verdict.after, attempt, announce=announce)

    async def _first(self, effect: Awaitable[None], delivery: Delivery, settle: Callable[[], None]) -> None:
        try:
            await effect
        except Exception:
            log.exception("endpoint.not_switched", extra={"delivery": delivery.key.delivery_id})
        settle()

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _measure(self, delivery: Delivery, result: Result) -> None:
        timings = delivery.partition.timings
        timings[_BOUNDS[bisect_left(HISTOGRAM_MS, result.duration_ms)]] += 1
        timings["count"] += 1
        timings["sum"] += int(result.duration_ms * 1_000)

    def _describe(self, delivery: Delivery, route: request.Route | None, signature: bytes, result: Result) -> bytes:
        trigger = int(delivery.trigger)
        error = int(outcome.error_of(result))
        url = route.endpoint.url if route else ""
        shown = route.shown_headers if route else {}
        duration = round(result.duration_ms)
        if isinstance(result, Failed):
            detail = result.detail[:256]
            return pack_attempt(
                Attempt(trigger, delivery.started_ms, duration, error, result.remote_address, url, signature, shown,
                        0, b"", b"", body_truncated=False, detail=detail)
            )  # fmt: skip
        head, body, truncated = b"", b"", bool(result.body) or result.body_truncated
        if not self.frugal:
            head = b"\r\n".join([b"%b: %b" % pair for pair in result.headers])[:HEAD_KEPT]
            body, truncated = result.body, result.body_truncated
        return pack_attempt(
            Attempt(trigger, delivery.started_ms, duration, error, result.remote_address, url, signature, shown,
                    result.status, head, body, truncated)
        )  # fmt: skip

    def decline_waiting(self, number: int, why: Reason) -> None:
        """An endpoint was switched off: nothing that waits for it will be attempted."""
        for delivery in self.lanes.take_all(number):
            delivery.partition.decline(delivery, why, self._time.now_ms())
