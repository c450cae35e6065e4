"""The dispatchers that live. A beat is a number that grows; what it means that it stands still, others decide.

No TTL and no clock: a member that died stays in the list until another one, which watched its beat for long enough on
a clock of its own, removes it by comparing that beat.
"""

from redis.asyncio import Redis

from gateway.store import scripts
from gateway.store.keys import RegistryKeys

_KEYS = (RegistryKeys.members,)


class Members:
    """The member list of the deployment."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def beat(self, member_id: str) -> dict[str, int]:
        """Raise the member's own beat, joining with the first; the beats of all members."""
        answer = await scripts.load("member")(self._redis, _KEYS, (member_id,))
        pairs = iter(answer)
        return {name.decode(): int(beat) for name, beat in zip(pairs, pairs, strict=True)}

    async def leave(self, member_id: str) -> None:
        """Take oneself off the list, at a planned end."""
        await scripts.load("member_remove")(self._redis, _KEYS, (member_id, ""))

    async def remove(self, member_id: str, beat: int) -> bool:
        """Take a dead member off the list; False when its beat is another one (it lives), True when it is gone."""
        return bool(await scripts.load("member_remove")(self._redis, _KEYS, (member_id, beat)))
