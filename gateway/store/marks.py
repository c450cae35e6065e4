"""The mark at an ordered endpoint whose live events wait for a replay: `Endpoint.catch_up` names it.

    replay stored -> endpoint marked -> `until` fixed -> ... -> replay ended -> mark cleared

A mark is put only for a stored replay that has not ended, and cleared only by name, both by compare-and-set. So whoever
finds a mark of a replay that has ended, or that there is not, may clear it: nobody will need it again.
"""

import msgspec

from gateway.model.endpoint import Endpoint
from gateway.model.replay import Replay
from gateway.store import errors
from gateway.store.registry import Registry

ATTEMPTS = 5
AT_MARK = 0
"""`Replay.until_ms` until its endpoint is marked: what came before the mark is replayed, what comes after it waits."""


async def put(registry: Registry, read: Endpoint, replay_id: str) -> bool:
    """Mark an endpoint as it was read, '' for no mark; False when it is another one by now."""
    try:
        await registry.update_endpoint(msgspec.structs.replace(read, catch_up=replay_id), read.revision)
    except errors.Conflict:
        return False
    return True


async def clear(registry: Registry, endpoint_id: str, replay_id: str) -> bool:
    """Let the live events go that wait for this replay; False when the endpoint keeps changing.

    An endpoint that waits for another one, or for none, or that there is not, is left alone.
    """
    for _ in range(ATTEMPTS):
        found = await registry.get_endpoint(endpoint_id)
        if found is None or found.catch_up != replay_id or await put(registry, found, ""):
            return True
    return False


def fixed(read: Replay, now_ms: int) -> Replay | None:
    """The replay with its end, once its endpoint is marked; `now_ms` is store time. None when it has one."""
    return msgspec.structs.replace(read, until_ms=now_ms + 1) if read.until_ms == AT_MARK else None
