"""How events look in the API."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway import rfc3339
from gateway.api.delivery_types import Delivery
from gateway.api.endpoint_types import Time
from gateway.model.event import Event

NO_DATA = msgspec.Raw(b"null")


class EventFields(msgspec.Struct, kw_only=True):
    """What a publisher sent, without the payload, and what became of it.

    `matched` is how many endpoints got it, null while it is `unread`; `unmatched` means nobody. `data` is there if it
    was asked for, as it was received; null if its bytes are not those that were accepted.
    """

    id: str
    type: str
    source: str
    subject: str | None
    time: str | None
    partitionkey: str | None
    subscriber: str | None
    accepted_at: Time
    data_bytes: int
    state: Literal["unread", "fanned", "unmatched"]
    matched: int | None


class ListedEvent(EventFields, kw_only=True):
    """An event of a list; `data` only with `include=data`."""

    data: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class DeliveriesOfEvent(msgspec.Struct):
    """How many deliveries there are, in all and by status, the first 20, and where the others are."""

    total: int
    counts: Annotated[dict[str, int], Meta(description="By status; every status is there.")]
    data: list[Delivery]
    link: str


class EventDetail(EventFields, kw_only=True):
    """An event with its payload and its deliveries."""

    data: msgspec.Raw
    deliveries: DeliveriesOfEvent


def fields_of(event: Event, data_bytes: int, matched: int | None) -> dict[str, Any]:
    """The fields of `EventFields`."""
    return {
        "id": event.id,
        "type": event.type,
        "source": event.source,
        "subject": event.subject or None,
        "time": event.time or None,
        "partitionkey": event.partitionkey or None,
        "subscriber": event.subscriber or None,
        "accepted_at": rfc3339.format_ms(event.accepted_ms),
        "data_bytes": data_bytes,
        "state": "unread" if matched is None else ("fanned" if matched else "unmatched"),
        "matched": matched,
    }


def data_of(event: Event) -> msgspec.Raw:
    """The payload byte for byte; null when it is not what was accepted, since it may not even be JSON."""
    return msgspec.Raw(event.data) if event.is_intact() else NO_DATA
