"""Try a filter on what was published, before it is saved: `/v1/endpoints/{id}/filter/test`.

    the log, newest first --addressing and patterns of the endpoint--> the filter --> counts and a few examples

Nothing is stored, and no payload is shown. A trial is bounded in events, bytes and time, and lets the event loop go
after each event, so that it is in nobody's way.
"""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from gateway import filters, ids, matching, problems, rfc3339
from gateway.api import access, endpoint_rules, fields
from gateway.api.call import Answer, Call
from gateway.api.endpoint_types import Time
from gateway.api.endpoints import ENDPOINT
from gateway.api.openapi import Operation, Route
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event, EventUnreadable
from gateway.problems import FieldError, field_error
from gateway.store import event_list, log, walk

DEFAULT_EVENTS, MAXIMUM_EVENTS = 100, 1_000
MAXIMUM_DATA_BYTES = 32 * 1_048_576
MAXIMUM_SECONDS = 5.0
EXAMPLES = 5
_READ_AT_ONCE = 32
_BYTES_AT_ONCE = 1_048_576


class FilterTrial(msgspec.Struct):
    """What to try: on the newest `limit` events that the endpoint's addressing and patterns let through."""

    filter: Annotated[str, Meta(min_length=1, description="A CEL expression.")]
    since: Annotated[str, Meta(description="Only events accepted at this time or later.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=MAXIMUM_EVENTS)] = DEFAULT_EVENTS


class Example(msgspec.Struct):
    """An event that was tried; `error` says why there was no answer for it."""

    id: str
    type: str
    subject: str | None
    accepted_at: Time
    error: str | None = None


class Examples(msgspec.Struct):
    """The newest few of each kind."""

    matched: list[Example] = msgspec.field(default_factory=list)
    not_matched: list[Example] = msgspec.field(default_factory=list)
    errors: list[Example] = msgspec.field(default_factory=list)


class TriedFilter(msgspec.Struct):
    """What the filter would have done. An event without an answer, in `errors`, counts as not matched by delivery.

    `complete` is false when there may be more events than were tried: beyond `limit`, or beyond what one request does.
    """

    tried: int = 0
    matched: int = 0
    not_matched: int = 0
    errors: int = 0
    oldest_accepted_at: Time | None = None
    complete: bool = True
    examples: Examples = msgspec.field(default_factory=Examples)

    def add(self, event: Event, answer: bool | filters.FilterFailed) -> None:
        """Count one event."""
        kind = "errors" if isinstance(answer, filters.FilterFailed) else "matched" if answer else "not_matched"
        self.tried += 1
        setattr(self, kind, getattr(self, kind) + 1)
        self.oldest_accepted_at = rfc3339.format_ms(event.accepted_ms)
        some: list[Example] = getattr(self.examples, kind)
        if len(some) < EXAMPLES:
            error = str(answer) if isinstance(answer, filters.FilterFailed) else None
            some.append(Example(event.id, event.type, event.subject or None, self.oldest_accepted_at, error))


class _Asked(NamedTuple):
    compiled: filters.Filter
    since_ms: int
    limit: int


async def test(call: Call) -> Answer:
    """POST /v1/endpoints/{id}/filter/test."""
    endpoint = await access.endpoint(call, call.path["id"])
    asked = _asked(await call.json_object())
    return Answer(await _Trial(call, endpoint, asked).run())


def _asked(body: dict[str, Any]) -> _Asked:
    values, wrong = fields.read(body, FilterTrial)
    wrong += endpoint_rules.filter_text(values.get("filter"), "filter")
    since_ms, faults = _since_ms(values.get("since"))
    problems.refuse_fields([*wrong, *faults])
    return _Asked(filters.compile(values["filter"]), since_ms, values["limit"])


def _since_ms(text: str | None) -> tuple[int, list[FieldError]]:
    try:
        return (0 if text is None else max(rfc3339.parse_ms(text), 0)), []
    except rfc3339.TimeInvalid as error:
        return 0, [field_error("since", str(error), text)]


class _Trial:
    """One trial. `left` bytes of data may still be read; it ends at the deadline, whatever it has."""

    def __init__(self, call: Call, endpoint: Endpoint, asked: _Asked) -> None:
        self._services, self._endpoint, self._asked = call.services, endpoint, asked
        self._deadline = call.services.clock.monotonic() + MAXIMUM_SECONDS
        self._left = MAXIMUM_DATA_BYTES
        self._found = TriedFilter()

    async def run(self) -> TriedFilter:
        services, endpoint = self._services, self._endpoint
        wanted = event_list.EventFilter(
            type=endpoint.event_types[0] if len(endpoint.event_types) == 1 else None,
            subscriber=endpoint.subscriber if endpoint.kind == "external" else None,
        )
        span = walk.Span(since=(self._asked.since_ms, 0))
        entries = await event_list.open_walk(services.redis, services.partitions, wanted, span, self._asked.limit)
        while batch := await entries.batch():
            headers = [entry.value for entry in batch if entry.value is not None and self._is_meant(entry.value.event)]
            if not await self._try(headers):
                self._found.complete = False
                break
        self._found.complete = self._found.complete and entries.ended
        return self._found

    def _is_meant(self, event: Event) -> bool:
        return not event.endpoint and matching.selects(self._endpoint, event)

    async def _try(self, headers: Sequence[event_list.Header]) -> bool:
        """Whether all of these could be tried, newest first."""
        at = 0
        while at < len(headers):
            page = self._page(headers[at:])
            if not page:
                return False
            for event in await self._read(page):
                self._found.add(event, self._answer(event))
                await self._services.clock.sleep(0)
            at += len(page)
        return True

    def _page(self, headers: Sequence[event_list.Header]) -> list[ids.Address]:
        """As many from the front as may be read at once; none when the trial has to end."""
        room = min(_READ_AT_ONCE, self._asked.limit - self._found.tried)
        if self._services.clock.monotonic() >= self._deadline:
            return []
        page: list[ids.Address] = []
        size = 0
        for header in headers[:room]:
            if header.data_bytes > self._left or (page and size + header.data_bytes > _BYTES_AT_ONCE):
                break
            size += header.data_bytes
            self._left -= header.data_bytes
            page.append(header.event.address)
        return page

    async def _read(self, addresses: Sequence[ids.Address]) -> list[Event]:
        """These events with their data, in their order; one that went or is poison is left out."""
        found: dict[ids.Address, Event | EventUnreadable | None] = {}
        for number in {address.partition for address in addresses}:
            some = [address for address in addresses if address.partition == number]
            events = await log.read_each(self._services.redis, self._services.partitions[number], some)
            found |= zip(some, events, strict=True)
        return [event for address in addresses if isinstance(event := found[address], Event)]

    def _answer(self, event: Event) -> bool | filters.FilterFailed:
        try:
            return self._asked.compiled.matches(filters.EventValues(event))
        except filters.FilterFailed as failed:
            return failed


ROUTES = (
    Route(Operation(
        "test_filter", "POST", f"{ENDPOINT}/filter/test", "Try a filter on what was published",
        answers={200: TriedFilter}, scope="manage", body=FilterTrial,
        description="On the newest events that the endpoint's addressing and patterns let through, whatever its own "
        "filter. Nothing is stored. Bounded in events, bytes and time; `complete` says whether there may be more.",
        problems=("not_found", "invalid_request", "malformed_json", "invalid_encoding"),
    ), test),
)  # fmt: skip
