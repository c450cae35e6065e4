"""Reading the registry: single objects, lists, and the whole of it with a place in the change stream.

Nothing here writes, but for the entry with which an empty change stream begins. Lists are complete; paging is the
API's. A full load goes by HSCAN in pages, so that it never holds the store up.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.store import changes, scripts
from gateway.store import registry_values as values
from gateway.store.keys import RegistryKeys

PAGE = 1_000


class Meta(NamedTuple):
    """What is fixed at the first start: the partition count and the 32 bytes that sign API cursors."""

    partitions: int
    cursor_key: bytes


class EndpointName(NamedTuple):
    """Whose number it is or was."""

    endpoint: str
    subscriber: str


class RegistryReader:
    """What can be read of the registry."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def meta(self) -> Meta | None:
        """The deployment's facts; None before the first start, or when the store was emptied since."""
        found = await self._many(RegistryKeys.meta, ["partitions", "cursor_key"])
        return Meta(int(found["partitions"]), found["cursor_key"]) if len(found) == 2 else None

    async def get_subscriber(self, subscriber_id: str) -> Subscriber | None:
        """The subscriber, or None."""
        value = await self._one(RegistryKeys.subscribers, subscriber_id)
        return values.unpack_subscriber(value).subscriber if value else None

    async def list_subscribers(self) -> list[Subscriber]:
        """All, oldest first."""
        found = {
            field: values.unpack_subscriber(value).subscriber
            async for field, value in self._scan(RegistryKeys.subscribers)
        }
        return sorted(found.values(), key=lambda subscriber: (subscriber.created_ms, subscriber.id))

    async def get_endpoint(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint, or None."""
        value = await self._one(RegistryKeys.endpoints, endpoint_id)
        return values.unpack_endpoint(value) if value else None

    async def get_endpoints(self, endpoint_ids: Iterable[str]) -> dict[str, Endpoint]:
        """Those that exist, by id."""
        found = await self._many(RegistryKeys.endpoints, list(dict.fromkeys(endpoint_ids)))
        return {endpoint: values.unpack_endpoint(value) for endpoint, value in found.items()}

    async def list_endpoints(self, subscriber: str | None = None) -> list[Endpoint]:
        """Those of one subscriber, or all; oldest first."""
        if subscriber is None:
            found = {field: value async for field, value in self._scan(RegistryKeys.endpoints)}
            endpoints = [values.unpack_endpoint(value) for value in found.values()]
            return sorted(endpoints, key=lambda endpoint: endpoint.number)
        value = await self._one(RegistryKeys.subscribers, subscriber)
        if not value:
            return []
        names = await self.endpoint_names(values.unpack_subscriber(value).endpoints)
        found_by_id = await self.get_endpoints(name.endpoint for name in names.values())
        return sorted(found_by_id.values(), key=lambda endpoint: endpoint.number)

    async def endpoint_names(self, numbers: Iterable[int]) -> dict[int, EndpointName]:
        """Endpoint and subscriber ids by number, also of those that were deleted."""
        found = await self._many(RegistryKeys.numbers, [str(number) for number in dict.fromkeys(numbers)])
        return {int(number): EndpointName(*name.decode().split(" ")) for number, name in found.items()}

    async def changes_tail(self) -> str:
        """A cursor at the end of the change stream."""
        tail = await scripts.load("registry_tail")(self._redis, (RegistryKeys.changes,))
        return str(tail.decode())

    async def changes_since(self, cursor: str) -> changes.Changes:
        """At most 1,000 changes after the cursor; see `changes.Changes` for `truncated` and `more`."""
        return changes.parse(cursor, await self._redis.execute_command(*changes.command(cursor)))

    async def endpoint_pages(self) -> AsyncIterator[list[Endpoint]]:
        """All endpoints in no order, about a thousand at a time; one may come twice while the hash grows."""
        position = 0
        while True:
            answer: Any = await self._redis.hscan(RegistryKeys.endpoints, position, count=PAGE)
            position, page = answer
            yield [values.unpack_endpoint(value) for value in page.values()]
            if position == 0:
                return

    async def _one(self, key: str, field: str) -> Any:
        return await self._redis.hget(key, field)

    async def _many(self, key: str, fields: Sequence[str]) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for start in range(0, len(fields), PAGE):
            page = fields[start : start + PAGE]
            answers: Any = await self._redis.hmget(key, list(page))
            found.update((field, value) for field, value in zip(page, answers, strict=True) if value)
        return found

    async def _scan(self, key: str) -> AsyncIterator[tuple[bytes, bytes]]:
        position = 0
        while True:
            answer: Any = await self._redis.hscan(key, position, count=PAGE)
            position, page = answer
            for item in page.items():
                yield item
            if position == 0:
                return
