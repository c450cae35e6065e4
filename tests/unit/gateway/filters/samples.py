"""Events to filter."""

import json
from typing import Any

import msgspec

from gateway import ids
from gateway.filters import EventValues
from gateway.model.event import Event


def event(data: Any = None, **attributes: str) -> Event:
    """An event `order.placed` with this payload."""
    made = Event(ids.Address(1, 0, 0), "evt", "/shop", "order.placed", json.dumps(data).encode())
    return msgspec.structs.replace(made, **attributes)


def values(data: Any = None, **attributes: str) -> EventValues:
    """The event as filters see it."""
    return EventValues(event(data, **attributes))
