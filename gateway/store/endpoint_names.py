"""Whose endpoint number it is, and which numbers an endpoint or a subscriber has, deleted ones included.

Records hold numbers, the API speaks of ids. A number is used once and its name is kept for ever, so what was read once
stays true and is remembered per process; a look-up asks the store only how many there are. An id has several numbers
when an endpoint was deleted and another one made under its id.
"""

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from redis.asyncio import Redis

from gateway.store.keys import RegistryKeys
from gateway.store.registry_reads import EndpointName

_AT_ONCE = 1_000


class EndpointNames:
    """The names of one deployment's endpoint numbers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._names: dict[int, EndpointName] = {}
        self._by_endpoint: dict[str, list[int]] = {}
        self._by_subscriber: dict[str, list[int]] = {}

    async def of_numbers(self, numbers: Iterable[int]) -> dict[int, EndpointName]:
        """Endpoint and subscriber by number, of those that exist or existed."""
        wanted = set(numbers)
        if not wanted <= self._names.keys():
            await self._refresh()
        return {number: self._names[number] for number in wanted if number in self._names}

    async def of_endpoint(self, endpoint: str) -> list[int]:
        """The numbers of an endpoint id, oldest first."""
        await self._refresh()
        return list(self._by_endpoint.get(endpoint, ()))

    async def of_subscriber(self, subscriber: str) -> list[int]:
        """The numbers of all endpoints that a subscriber has or had, oldest first."""
        await self._refresh()
        return list(self._by_subscriber.get(subscriber, ()))

    async def _refresh(self) -> None:
        size = int(await self._redis.hlen(RegistryKeys.numbers))
        if size == len(self._names):
            return
        if size < len(self._names):
            self._names, self._by_endpoint, self._by_subscriber = {}, {}, {}
        count = size - len(self._names)
        if count > _AT_ONCE or (count > 0 and not await self._read_newest(count)):
            await self._read_all()

    async def _read_newest(self, count: int) -> bool:
        """Numbers count upwards, so new ones follow the highest; False when there is a gap."""
        highest = max(self._names, default=0)
        numbers = list(range(highest + 1, highest + 1 + count))
        found: Any = await self._redis.hmget(RegistryKeys.numbers, [str(number) for number in numbers])
        for number, name in zip(numbers, found, strict=True):
            if name is not None:
                self._remember(number, name)
        return all(name is not None for name in found)

    async def _read_all(self) -> None:
        async for number, name in self._redis.hscan_iter(RegistryKeys.numbers, count=_AT_ONCE):
            self._remember(int(number), name)

    def _remember(self, number: int, packed: bytes) -> None:
        if number in self._names:
            return
        name = self._names[number] = EndpointName(*packed.decode().split(" "))
        for index, key in ((self._by_endpoint, name.endpoint), (self._by_subscriber, name.subscriber)):
            index.setdefault(key, []).append(number)
            index[key].sort()


_per_client: WeakKeyDictionary[Redis, EndpointNames] = WeakKeyDictionary()


def known_to(redis: Redis) -> EndpointNames:
    """The names as the process knows them through this client."""
    names = _per_client.get(redis)
    if names is None:
        names = _per_client[redis] = EndpointNames(redis)
    return names
