"""Which events a replay may bring to its endpoint.

Addressing is that of live delivery: an external subscriber's endpoint gets what is addressed to its subscriber and
nothing else, and an event for one endpoint (a test) never reaches another one. Of what remains the replay's own
patterns select, and the endpoint's filter of what it never had a delivery of.
"""

from gateway import filters, matching
from gateway.model.endpoint import Endpoint
from gateway.model.event import Event
from receivers.patterns import Matcher


class Selection:
    """The events of one replay. Raises PatternError for a bad pattern."""

    def __init__(self, endpoint: Endpoint, event_types: tuple[str, ...]) -> None:
        self.endpoint, self.event_types = endpoint, event_types
        self._matcher = Matcher(event_types)

    def selects(self, event: Event) -> bool:
        """Whether the replay brings this event to its endpoint."""
        to = self.endpoint
        if event.endpoint and event.endpoint != to.id:
            return False
        if (event.endpoint or to.kind == "external") and event.subscriber != to.subscriber:
            return False
        return self._matcher.matches(event.type)

    def is_live(self, event: Event) -> bool:
        """Whether the endpoint, as it is now, gets the event without a replay; its filter, if any, lets it through."""
        return self.endpoint.status != "disabled" and matching.selects(self.endpoint, event)

    def passes(self, event: Event) -> bool:
        """Whether the endpoint's filter, as it is now, lets the event through; asked of events with their data."""
        return matching.passes(self.endpoint, filters.EventValues(event))
