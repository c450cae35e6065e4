"""A replay that live events wait for: `catch_up` of a replay, and the mark that it leaves at its ordered endpoint.

    POST /v1/replays -> replay stored -> endpoint marked with its id -> `until` fixed -> job queued -> 202
    cancelled        -> mark cleared        ended, or never stored -> the worker clears the mark

The replay comes first: a crash between the two leaves a replay that nobody waits for, never an endpoint that waits for
nothing; the worker then marks the endpoint. A mark is changed by compare-and-set, and cleared only when the replay that
it names has ended. A replay until now ends after the mark: what is accepted between the two is in it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.api import access
from gateway.api.call import Call
from gateway.model.endpoint import Endpoint
from gateway.model.replay import FINISHED, Replay
from gateway.problems import FieldError, Problem, field_error
from gateway.store import connection, marks


def check(values: Mapping[str, Any], endpoint: Endpoint | None) -> Iterator[FieldError]:
    """What contradicts `catch_up` in the body of a new replay."""
    if not values.get("catch_up"):
        return
    if endpoint is not None and not endpoint.ordered:
        yield field_error("catch_up", f"only an ordered endpoint catches up: set `ordered` of {endpoint.id}", True)
    if values.get("dry_run"):
        yield field_error("catch_up", "a dry run sends nothing that live events could wait for", True)


async def require_free(call: Call, endpoint: Endpoint) -> None:
    """Raise Problem unless the caller may hold the endpoint's live events and no replay does so already."""
    access.require_change(call, endpoint.kind)
    other = await call.services.replays.get(endpoint.catch_up) if endpoint.catch_up else None
    if other is not None and other.status not in FINISHED:
        raise Problem("catch_up_running", f"live events of endpoint {endpoint.id} wait for replay {other.id}")


async def begin(call: Call, replay: Replay) -> Replay:
    """Let the live events of the endpoint wait for the replay, which ends now if it has no end.

    Cancels it and raises Problem if they cannot wait.
    """
    try:
        await _mark(call, replay)
    except Problem:
        await call.services.replays.change(replay.id, _cancelled)
        raise
    now_ms = await connection.store_ms(call.services.redis)
    return await call.services.replays.change(replay.id, lambda read: marks.fixed(read, now_ms)) or replay


def _cancelled(read: Replay) -> Replay | None:
    return None if read.status in FINISHED else msgspec.structs.replace(read, status="cancelled")


async def _mark(call: Call, replay: Replay) -> None:
    for _ in range(marks.ATTEMPTS):
        found = await call.services.registry.get_endpoint(replay.endpoint)
        if found is None or found.number != replay.endpoint_number:
            raise Problem("endpoint_deleted", f"endpoint {replay.endpoint} was deleted meanwhile")
        if found.status == "disabled":
            raise Problem("endpoint_disabled", f"endpoint {found.id} is disabled ({found.disabled_reason})")
        if not found.ordered:
            raise Problem("changed_meanwhile", f"endpoint {found.id} is not ordered any more")
        await require_free(call, found)
        if await marks.put(call.services.registry, found, replay.id):
            return
    raise Problem("changed_meanwhile", f"endpoint {replay.endpoint} keeps changing")


async def end(call: Call, replay: Replay) -> None:
    """Let the live events go that wait for this replay; those of another one stay."""
    if not await marks.clear(call.services.registry, replay.endpoint, replay.id):
        raise Problem("changed_meanwhile", f"endpoint {replay.endpoint} keeps changing")
