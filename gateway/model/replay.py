"""Replays: many deliveries by hand."""

from typing import Literal

import msgspec

Mode = Literal["fill", "again"]
ReplayStatus = Literal["queued", "running", "cancelled", "completed", "failed"]
FINISHED: frozenset[ReplayStatus] = frozenset({"cancelled", "completed", "failed"})


class Replay(msgspec.Struct, frozen=True):
    """A replay of the log to one endpoint.

    `run` numbers it for records; `since_ms` is inclusive, `until_ms` exclusive; `rate` is deliveries per second, None
    for as fast as the endpoint takes them; `phase` is `count` (`total` is being found) or `send`; `queued` are the
    deliveries that were ordered; `cursor` maps a partition to the last stream id that is done in this phase;
    `next_ms` is the store time before which `rate` allows no further order. `catch_up`: live events of the endpoint,
    which is ordered, wait until the replay is through; `Endpoint.catch_up` names it as long as they do.

    `token` names who may go on with it: the job that is queued, or the slice that runs. `beat` grows with every change
    of that slice, also while it waits.
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
    catch_up: bool = False
    status: ReplayStatus = "queued"
    phase: Literal["count", "send"] = "count"
    total: int = 0
    queued: int = 0
    cursor: dict[str, str] = {}
    next_ms: int = 0
    token: str = ""
    beat: int = 0
    error: str | None = None
    created_ms: int = 0
    updated_ms: int = 0
