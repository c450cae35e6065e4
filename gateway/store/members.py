"""The dispatchers that live. A beat is a number that grows; what it means that it stands still, others decide.

No TTL: a member that died stays in the list until another one, which watched its beat for long enough on a clock of its
own, removes it by comparing that beat. With its beat a member says what its wall clock shows, which is kept as the
difference to the store's for `hookline doctor`: webhooks are signed with that clock. Nothing is decided by it.
"""

from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.store import scripts
from gateway.store.keys import RegistryKeys

_KEYS = (RegistryKeys.members,)


class Member(NamedTuple):
    """What can be seen of a dispatcher: its beat, and by how many milliseconds its clock is ahead of the store's.

    That counts the way of the beat to the store as well; None when it does not tell.
    """

    beat: int
    ahead_ms: int | None


class Members:
    """The member list of the deployment; `clock` is the one that a member shows."""

    def __init__(self, redis: Redis, clock: Clock) -> None:
        self._redis, self._clock = redis, clock

    async def beat(self, member_id: str) -> dict[str, int]:
        """Raise the member's own beat, joining with the first; the beats of all members."""
        answer = await scripts.load("member")(self._redis, _KEYS, (member_id, self._clock.wall_ms()))
        pairs = iter(answer)
        return {name.decode(): _unpack(value).beat for name, value in zip(pairs, pairs, strict=True)}

    async def leave(self, member_id: str) -> None:
        """Take oneself off the list, at a planned end."""
        await scripts.load("member_remove")(self._redis, _KEYS, (member_id, ""))

    async def remove(self, member_id: str, beat: int) -> bool:
        """Take a dead member off the list; False when its beat is another one (it lives), True when it is gone."""
        return bool(await scripts.load("member_remove")(self._redis, _KEYS, (member_id, beat)))


async def peek(redis: Redis) -> dict[str, Member]:
    """All members as they are, whether they live or not."""
    fields: Any = await redis.hgetall(RegistryKeys.members)
    return {name.decode(): _unpack(value) for name, value in fields.items()}


def _unpack(value: bytes) -> Member:
    beat, _, ahead = value.partition(b":")
    return Member(int(beat), int(ahead) if ahead else None)
