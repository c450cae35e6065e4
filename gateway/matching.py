"""Which endpoints get an event.

An internal subscriber's endpoint gets every event that its patterns match; an external one's only events addressed to
its subscriber; an event addressed to one endpoint (a test) reaches that endpoint alone, whatever its patterns.
"""

from collections.abc import Iterable

from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers import patterns

MAX_REMEMBERED = 10_000


def matches(endpoint: Endpoint, event: Event) -> bool:
    """Whether an endpoint that is not disabled gets the event; the rule that `Index` must agree with."""
    if endpoint.status == "disabled":
        return False
    if event.endpoint:
        return endpoint.id == event.endpoint and endpoint.subscriber == event.subscriber
    if endpoint.kind == "external" and endpoint.subscriber != event.subscriber:
        return False
    return any(patterns.matches(pattern, event.type) for pattern in endpoint.event_types)


class Index:
    """The registry by pattern: an event costs what it matches, not what is registered.

    Patterns are filed under ('' for internal subscribers, else the external subscriber's id, pattern).
    """

    def __init__(self, endpoints: Iterable[Endpoint] = ()) -> None:
        self._by_id: dict[str, Endpoint] = {}
        self._filed: dict[tuple[str, str], set[str]] = {}
        self._remembered: dict[tuple[str, str], tuple[Endpoint, ...]] = {}
        for endpoint in endpoints:
            self.put(endpoint)

    def __len__(self) -> int:
        return len(self._by_id)

    def get(self, endpoint_id: str) -> Endpoint | None:
        """An endpoint by its id, enabled or not."""
        return self._by_id.get(endpoint_id)

    def put(self, endpoint: Endpoint) -> None:
        """Add or replace an endpoint."""
        self.remove(endpoint.id)
        self._by_id[endpoint.id] = endpoint
        if endpoint.status != "disabled":
            for pattern in endpoint.event_types:
                self._filed.setdefault((_owner(endpoint), pattern), set()).add(endpoint.id)

    def remove(self, endpoint_id: str) -> Endpoint | None:
        """Take an endpoint out; the one that was there."""
        self._remembered.clear()
        endpoint = self._by_id.pop(endpoint_id, None)
        if endpoint is not None:
            for pattern in endpoint.event_types:
                filed = self._filed.get((_owner(endpoint), pattern))
                if filed is not None:
                    filed.discard(endpoint_id)
                    if not filed:
                        del self._filed[_owner(endpoint), pattern]
        return endpoint

    def match(self, event: Event) -> tuple[Endpoint, ...]:
        """The endpoints that get the event, in ascending number."""
        if event.endpoint:
            endpoint = self._by_id.get(event.endpoint)
            return (endpoint,) if endpoint and matches(endpoint, event) else ()
        wanted = (event.type, event.subscriber)
        found = self._remembered.get(wanted)
        if found is None:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            found = self._remembered[wanted] = self._find(*wanted)
        return found

    def _find(self, event_type: str, subscriber: str) -> tuple[Endpoint, ...]:
        found: set[str] = set()
        for pattern in patterns.candidates(event_type):
            found |= self._filed.get(("", pattern), set())
            if subscriber:
                found |= self._filed.get((subscriber, pattern), set())
        return tuple(sorted((self._by_id[name] for name in found), key=lambda endpoint: endpoint.number))


def _owner(endpoint: Endpoint) -> str:
    return "" if endpoint.kind == "internal" else endpoint.subscriber
