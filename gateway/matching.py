"""Which endpoints get an event.

An internal subscriber's endpoint gets every event that its patterns match; an external one's only events addressed to
its subscriber; of these only what its filter lets through. An event addressed to one endpoint (a test) reaches that
endpoint alone, whatever its patterns and its filter.

A filter that has no answer counts as not matched; it is asked after everything else, of an event whose data is there.
"""

from collections.abc import Callable, Iterable, Iterator

from gateway import filters, tasks
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers import patterns

MAX_REMEMBERED = 10_000
MAX_REMEMBERED_MATCHES = 1_000_000
TURN_US = 2_000.0
"""Filters may take so many microseconds, by their own estimate, before everything else has its turn."""

OnFilterFailed = Callable[[Endpoint, str], None]
"""Called with the endpoint whose filter had no answer, and why."""


def matches(endpoint: Endpoint, event: Event) -> bool:
    """Whether an endpoint that is not disabled gets the event; the rule that `Index` must agree with."""
    if endpoint.status == "disabled" or not selects(endpoint, event):
        return False
    return bool(event.endpoint) or passes(endpoint, filters.EventValues(event))


def selects(endpoint: Endpoint, event: Event) -> bool:
    """What is asked before the filter and needs no data: whether addressing and patterns let the event through."""
    if not is_addressed(endpoint, event):
        return False
    return bool(event.endpoint) or any(patterns.matches(pattern, event.type) for pattern in endpoint.event_types)


def is_addressed(endpoint: Endpoint, event: Event) -> bool:
    """Whether the event may go to this endpoint at all: by its subscriber, or because it is for this endpoint alone."""
    if event.endpoint:
        return endpoint.id == event.endpoint and endpoint.subscriber == event.subscriber
    return endpoint.kind != "external" or endpoint.subscriber == event.subscriber


def passes(endpoint: Endpoint, values: filters.EventValues, on_failed: OnFilterFailed | None = None) -> bool:
    """Whether the endpoint's filter lets the event through; there may be none."""
    if not endpoint.filter:
        return True
    try:
        return filters.compile(endpoint.filter).matches(values)
    except (filters.FilterError, filters.FilterFailed) as failed:
        if on_failed is not None:
            on_failed(endpoint, str(failed))
        return False


class _Bucket:
    """The endpoints with one pattern. What was given out in order stays as it is until one comes or goes."""

    __slots__ = ("_ordered", "by_number", "filtered")

    def __init__(self) -> None:
        self.by_number: dict[int, Endpoint] = {}
        self.filtered = 0
        self._ordered: tuple[Endpoint, ...] | None = None

    def add(self, endpoint: Endpoint) -> None:
        self.by_number[endpoint.number] = endpoint
        self.filtered += bool(endpoint.filter)
        self._ordered = None

    def discard(self, endpoint: Endpoint) -> None:
        if self.by_number.pop(endpoint.number, None) is not None:
            self.filtered -= bool(endpoint.filter)
            self._ordered = None

    def ordered(self) -> tuple[Endpoint, ...]:
        if self._ordered is None:
            self._ordered = _in_order(self.by_number)
        return self._ordered


class _Found:
    """What matches one type and subscriber, as long as the buckets that it was made of are those of `parts`."""

    __slots__ = ("change", "endpoints", "filtered", "parts")

    def __init__(self, buckets: list[_Bucket], parts: list[tuple[Endpoint, ...]], change: int) -> None:
        self.parts, self.change = parts, change
        self.filtered = any(bucket.filtered for bucket in buckets)
        if len(parts) == 1:
            self.endpoints = parts[0]
            return
        merged: dict[int, Endpoint] = {}
        for bucket in buckets:
            merged.update(bucket.by_number)
        self.endpoints = _in_order(merged)

    @property
    def size(self) -> int:
        """How much memory it takes of its own."""
        return len(self.endpoints) if len(self.parts) > 1 else 1


class Index:
    """The registry by pattern: an event costs what it matches, not what is registered; a change costs what it changes.

    Patterns are filed under '' for internal subscribers, else under the external subscriber's id.
    """

    def __init__(self, endpoints: Iterable[Endpoint] = (), on_filter_failed: OnFilterFailed | None = None) -> None:
        self._by_id: dict[str, Endpoint] = {}
        self._filed: dict[str, dict[str, _Bucket]] = {"": {}}
        self._remembered: dict[tuple[str, str], _Found] = {}
        self._remembered_matches = 0
        self._change = 0
        self._on_filter_failed = on_filter_failed
        self._spent_us = 0.0
        for endpoint in endpoints:
            self.put(endpoint)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._by_id.values())

    def get(self, endpoint_id: str) -> Endpoint | None:
        """An endpoint by its id, enabled or not."""
        return self._by_id.get(endpoint_id)

    def put(self, endpoint: Endpoint) -> None:
        """Add or replace an endpoint."""
        self.remove(endpoint.id)
        self._change += 1
        self._by_id[endpoint.id] = endpoint
        if endpoint.status != "disabled":
            filed = self._filed.setdefault(_owner(endpoint), {})
            for pattern in endpoint.event_types:
                bucket = filed.get(pattern)
                if bucket is None:
                    bucket = filed[pattern] = _Bucket()
                bucket.add(endpoint)

    def remove(self, endpoint_id: str) -> Endpoint | None:
        """Take an endpoint out; the one that was there."""
        endpoint = self._by_id.pop(endpoint_id, None)
        if endpoint is None:
            return None
        self._change += 1
        owner = _owner(endpoint)
        filed = self._filed.get(owner, {})
        for pattern in endpoint.event_types:
            bucket = filed.get(pattern)
            if bucket is not None:
                bucket.discard(endpoint)
                if not bucket.by_number:
                    del filed[pattern]
        if owner and not filed:
            self._filed.pop(owner, None)
        return endpoint

    def match(self, event: Event) -> tuple[Endpoint, ...]:
        """The endpoints that get the event, in ascending number."""
        if event.endpoint:
            endpoint = self._by_id.get(event.endpoint)
            return (endpoint,) if endpoint and matches(endpoint, event) else ()
        found = self._find(event.type, event.subscriber)
        if not found.filtered:
            return found.endpoints
        values, on_failed = filters.EventValues(event), self._on_filter_failed
        return tuple(one for one in found.endpoints if not one.filter or passes(one, values, on_failed))

    def match_unfiltered(self, event: Event) -> tuple[Endpoint, ...] | None:
        """The same, None when filters have to be asked."""
        if event.endpoint:
            return self.match(event)
        found = self._find(event.type, event.subscriber)
        return None if found.filtered else found.endpoints

    async def match_in_turns(self, event: Event) -> tuple[Endpoint, ...]:
        """The same, of what was registered when it began; while filters take long, others have their turns."""
        unfiltered = self.match_unfiltered(event)
        if unfiltered is not None:
            return unfiltered
        found = self._find(event.type, event.subscriber)
        values = filters.EventValues(event)
        passing = []
        for endpoint in found.endpoints:
            if endpoint.filter:
                if self._spent_us + values.spent_us > TURN_US:
                    self._spent_us = -values.spent_us
                    await tasks.let_others()
                if not passes(endpoint, values, self._on_filter_failed):
                    continue
            passing.append(endpoint)
        self._spent_us += values.spent_us
        return tuple(passing)

    def _find(self, event_type: str, subscriber: str) -> _Found:
        wanted = (event_type, subscriber)
        found = self._remembered.get(wanted)
        if found is not None and found.change == self._change:
            return found
        buckets = self._buckets(event_type, subscriber)
        parts = [bucket.ordered() for bucket in buckets]
        # the same tuples as before, not only equal ones: comparing is as long as there are patterns
        if found is not None and list(map(id, parts)) == list(map(id, found.parts)):
            found.change = self._change
            return found
        return self._remember(wanted, _Found(buckets, parts, self._change), found)

    def _remember(self, wanted: tuple[str, str], found: _Found, before: _Found | None) -> _Found:
        self._remembered_matches += found.size - (before.size if before else 0)
        if len(self._remembered) >= MAX_REMEMBERED or self._remembered_matches > MAX_REMEMBERED_MATCHES:
            self._remembered.clear()
            self._remembered_matches = found.size
        self._remembered[wanted] = found
        return found

    def _buckets(self, event_type: str, subscriber: str) -> list[_Bucket]:
        candidates = patterns.candidates(event_type)
        found = []
        for owner in ("", subscriber) if subscriber else ("",):
            filed = self._filed.get(owner)
            if filed:
                found += [bucket for pattern in candidates if (bucket := filed.get(pattern)) is not None]
        return found


def _owner(endpoint: Endpoint) -> str:
    return "" if endpoint.kind == "internal" else endpoint.subscriber


def _in_order(by_number: dict[int, Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(map(by_number.__getitem__, sorted(by_number)))
