"""The state of replays: what was asked, how far it got, whether it shall stop.

A replay is written by several hands: the API cancels it, one slice of the worker after the other moves its cursor. So
every change is compared with the whole of what was read: who comes second reads again and decides again.

    queued --> running --> completed | failed
    queued, running --> cancelled
"""

import secrets
import struct
from collections.abc import Callable
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.model.replay import Replay
from gateway.store import errors, scripts
from gateway.store.keys import RegistryKeys

_HEAD = struct.Struct(">I8s")
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Replay)


def pack(replay: Replay, token: bytes) -> bytes:
    """Run (4 bytes, big-endian), token of the change that wrote it (8 random bytes), JSON without the run."""
    return _HEAD.pack(replay.run, token) + _json(replay)


def unpack(value: bytes) -> Replay:
    """The reverse of `pack`."""
    run, _ = _HEAD.unpack_from(value)
    return msgspec.structs.replace(_decoder.decode(memoryview(value)[_HEAD.size :]), run=run)


def _json(replay: Replay) -> bytes:
    return _encoder.encode(msgspec.structs.replace(replay, run=0))


def _token() -> bytes:
    return secrets.token_bytes(8)


class Replays:
    """All replays of the deployment; `clock` gives the times of creation and change."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def create(self, replay: Replay) -> Replay:
        """Store a new replay under its id, which no other one has had; the replay with its run number, from 1."""
        now = self._clock.wall_ms()
        new = msgspec.structs.replace(replay, run=0, created_ms=replay.created_ms or now, updated_ms=now)
        keys = (RegistryKeys.meta, RegistryKeys.replays, RegistryKeys.replay_order)
        args = (new.id, pack(new, _token()), new.created_ms)
        return unpack(await scripts.load("replay_create")(self._redis, keys, args))

    async def get(self, replay_id: str) -> Replay | None:
        """The replay, or None."""
        value: Any = await self._redis.hget(RegistryKeys.replays, replay_id)
        return unpack(value) if value else None

    async def list_all(self) -> list[Replay]:
        """All, newest first."""
        replay_ids: Any = await self._redis.zrange(RegistryKeys.replay_order, 0, -1, desc=True)
        if not replay_ids:
            return []
        found: Any = await self._redis.hmget(RegistryKeys.replays, replay_ids)
        return [unpack(value) for value in found if value]

    async def update(self, read: Replay, changed: Replay) -> Replay:
        """Replace the replay that was read by the changed one; the replay as stored.

        Id, run and time of creation stay. Raises Conflict when it is not (any more) as it was read; after a lost
        reply and another writer also when the change was made.
        """
        new = msgspec.structs.replace(
            changed, id=read.id, run=read.run, created_ms=read.created_ms, updated_ms=self._clock.wall_ms()
        )
        args = (read.id, _json(read), pack(new, _token()))
        if not await scripts.load("replay_update")(self._redis, (RegistryKeys.replays,), args):
            raise errors.Conflict("replay", read.id)
        return new

    async def change(self, replay_id: str, decide: Callable[[Replay], Replay | None]) -> Replay | None:
        """Read, decide and replace until nobody came between; None when it is missing.

        `decide` gives the changed replay, or None to leave it as it is. It may be asked again, after a lost reply and
        another writer even about a replay that has its change already: it must set, or count what may be counted twice.
        """
        while (read := await self.get(replay_id)) is not None:
            changed = decide(read)
            if changed is None:
                return read
            try:
                return await self.update(read, changed)
            except errors.Conflict:
                continue
        return None
