"""A receiver: verified, deduplicated events for handler functions; also an ASGI application.

    verify raw body -> read event -> any handler? -> claim in inbox -> run handlers -> commit -> 200
         | 401            | 400          | 200 ignored    | done: 200 duplicate    | raised: release, 500
                                                          | held: 409              | taken over meanwhile: 409

Rules
- Every handler whose pattern matches runs, in the order of registration, under one claim. When one raises, the rest do
  not run and the sender's retry runs all of them again: a handler must bear being run again after a failure.
- Coroutine functions are awaited; plain functions run in a thread, so they may block.
- A claim is not renewed. Give the inbox a lease longer than the slowest handler: a handler that outlives the lease is
  taken over by the next attempt, its commit is refused by the token, and its request is answered 409. If nobody took
  over, its commit counts.
- A request that is cancelled, or a process that is killed, leaves its claim to the lease: a thread cannot be stopped,
  so the id must not be free while it may still run.

It refuses to hand over anything that is not verified, and it never answers 2xx for work that is not committed.
"""

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeVar

from receivers import asgi, clock, event, headers
from receivers.errors import InboxError, VerificationError
from receivers.event import Event
from receivers.headers import RawHeaders
from receivers.inbox import base
from receivers.inbox.memory import MemoryInbox
from receivers.patterns import Matcher
from receivers.result import Outcome, Result, refused
from receivers.verification import DEFAULT_TOLERANCE_SECONDS, Verifier

DEFAULT_MAXIMUM_BODY_BYTES = 1024 * 1024
DEFAULT_RETRY_SCHEDULE_SECONDS = 75.6 * 3600 * 1.2
"""The default schedule of a Hookline endpoint with its jitter."""

Handler = Callable[[Event], Awaitable[None] | None]
_Decorated = TypeVar("_Decorated", bound=Callable[[Event], Any])

_logger = logging.getLogger("receivers")


class Receiver:
    """Verify, deduplicate and handle webhooks of one or several secrets.

    Raises SecretError, and InboxError `inbox_settings` when the inbox forgets before the sender stops repeating:
    `retry_schedule_seconds` is the length of the sender's whole schedule. Without `inbox` a MemoryInbox is used, which
    knows this process only. `observe` is called with every Result, before it is answered.
    """

    def __init__(
        self,
        secrets: str | Sequence[str],
        *,
        inbox: base.Inbox | None = None,
        tolerance_seconds: float = DEFAULT_TOLERANCE_SECONDS,
        retry_schedule_seconds: float = DEFAULT_RETRY_SCHEDULE_SECONDS,
        maximum_body_bytes: int = DEFAULT_MAXIMUM_BODY_BYTES,
        now: Callable[[], float] = clock.wall_seconds,
        observe: Callable[[Result], None] | None = None,
    ) -> None:
        self._verifier = Verifier(secrets, tolerance_seconds=tolerance_seconds, now=now)
        self._inbox = MemoryInbox() if inbox is None else inbox
        base.require_ttl(
            self._inbox, tolerance_seconds=tolerance_seconds, retry_schedule_seconds=retry_schedule_seconds
        )
        self.maximum_body_bytes = maximum_body_bytes
        self._observe = observe
        self._handlers: list[tuple[Matcher, Handler]] = []

    def on(self, *patterns: str) -> Callable[[_Decorated], _Decorated]:
        """Decorator: run the function for events whose type matches any pattern; raises PatternError."""
        matcher = Matcher(patterns)

        def register(handler: _Decorated) -> _Decorated:
            self._handlers.append((matcher, handler))
            return handler

        return register

    async def handle(self, body: bytes, raw_headers: RawHeaders) -> Result:
        """Decide one request from its raw body and headers; never raises for what came in or for a handler."""
        try:
            fields = headers.read(raw_headers)
            verified = self._verifier.verify(body, fields)
            received = event.read(bytes(body), fields, verified)
        except VerificationError as error:
            return self.report(refused(error.code, str(error)))
        return self.report(await self._deduplicate(received))

    def report(self, result: Result) -> Result:
        """Show a result to the observer; the ASGI edge reports what it refuses by itself."""
        if self._observe is not None:
            self._observe(result)
        return result

    async def __call__(self, scope: MutableMapping[str, Any], receive: asgi.Receive, send: asgi.Send) -> None:
        """The receiver as an ASGI 3 application, at any path."""
        await asgi.serve(self, scope, receive, send)

    async def _deduplicate(self, received: Event) -> Result:
        handlers = [handler for matcher, handler in self._handlers if matcher.matches(received.type)]
        if not handlers:
            return Result(Outcome.IGNORED, received, "no_handler", f"nothing here handles {received.type}")
        try:
            claim = await self._inbox.claim(received.id)
            if isinstance(claim, base.Done):
                return Result(Outcome.DUPLICATE, received, "duplicate", "handled before; nothing was run")
            if isinstance(claim, base.InProgress):
                return Result(Outcome.IN_PROGRESS, received, "in_progress", _held(claim))
            return await self._run(received, handlers, claim.token)
        except InboxError as error:
            _logger.exception("inbox.failed", extra={"webhook_id": received.id})
            return Result(Outcome.UNAVAILABLE, received, error.code, "the inbox does not answer; send again")

    async def _run(self, received: Event, handlers: Sequence[Handler], token: str) -> Result:
        try:
            for handler in handlers:
                await _call(handler, received)
        except Exception:  # whatever a handler raises is answered 500
            _logger.exception("handler.failed", extra={"webhook_id": received.id})
            await self._inbox.release(received.id, token)
            return Result(Outcome.FAILED, received, "handler_failed", "a handler failed; send again")
        if await self._inbox.commit(received.id, token):
            return Result(Outcome.HANDLED, received)
        return Result(Outcome.CLAIM_LOST, received, "claim_lost", "the handlers outlived their lease; send again")


async def _call(handler: Handler, received: Event) -> None:
    run: Callable[[Event], Any] = handler
    outcome = run(received) if inspect.iscoroutinefunction(run) else await asyncio.to_thread(run, received)
    # a plain callable may still return an awaitable: an object whose __call__ is a coroutine function
    if inspect.isawaitable(outcome):
        await outcome


def _held(claim: base.InProgress) -> str:
    return f"another request of this id is being handled, for at most {claim.seconds_left:.0f} s more"
