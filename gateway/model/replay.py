"""Replays: many deliveries by hand."""

from typing import Literal

import msgspec

Mode = Literal["fill", "again"]
ReplayStatus = Literal["queued", "running", "cancelled", "completed", "failed"]


class Replay(msgspec.Struct, frozen=True):
    """A replay of the log to one endpoint.

    `run` numbers it for records; `since_ms` is inclusive, `until_ms` exclusive; `rate` is deliveries per second, None
    for as fast as the endpoint takes them; `cursor` maps a partition to the last stream id that is done; `phase` is
    `count` (total is being found) or `send`; `beat` grows with every slice.
    """

    id: str
    run: int
    endpoint: str
    endpoint_number: int
    since_ms: int
    until_ms: int
    event_types: tuple[str, ...] = ("*",)
    mode: Mode = "fill"
    rate: int | None = None
    dry_run: bool = False
    status: ReplayStatus = "queued"
    phase: Literal["count", "send"] = "count"
    total: int = 0
    queued: int = 0
    cursor: dict[str, str] = {}
    beat: int = 0
    error: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
