"""A store filled through the real scripts, for tests of what reads it.

    filled = await FilledStore.open(redis, partitions=4)
    address = await filled.publish(type="order.placed", subject="order/1")
    await filled.settle(address, {1: Record(State.DELIVERED, attempts=1, status=200)})

It owns every partition's lease; `settle` records an event's deliveries and moves the mark over it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from redis.asyncio import Redis

from gateway import ids
from gateway.model import delivery as model
from gateway.model.event import Event, NewEvent
from gateway.store import deliveries, leases, log, scripts
from gateway.store.keys import PartitionKeys


class FilledStore:
    """The partitions of one deployment in an emptied store."""

    def __init__(self, redis: Redis, partitions: Sequence[PartitionKeys], tokens: Sequence[str]) -> None:
        self.redis, self.partitions, self.tokens = redis, partitions, tokens

    @classmethod
    async def open(cls, redis: Redis, partitions: int = 4) -> "FilledStore":
        """Empty the store and take every lease."""
        await redis.flushall()
        names = [PartitionKeys(number, partitions) for number in range(partitions)]
        nobody = leases.Lease("", "", 0)
        taken = [await leases.take(redis, partition, "test", nobody) for partition in names]
        return cls(redis, names, [lease.token for lease in taken if lease])

    def partition_for(self, new: NewEvent) -> PartitionKeys:
        """The partition of its ordering key, else of its id, else the first."""
        key = new.ordering_key or new.id
        return self.partitions[ids.partition_of(key, len(self.partitions)) if key else 0]

    async def publish(self, partition: int | None = None, **fields: Any) -> ids.Address:
        """Append one event, its given id claimed first if that is another partition's; fields as NewEvent's."""
        new = NewEvent(**{"source": "/keys/shop", "type": "order.placed", "data": b'{"n":1}', **fields})
        where = self.partition_for(new) if partition is None else self.partitions[partition]
        home = self.partitions[ids.partition_of(new.id, len(self.partitions))]
        if new.id and home is not where:
            (answer,) = await scripts.run_all(
                self.redis, [log.claim_call(home, [(new.id, where.number, new.digest())])]
            )
            assert not isinstance(answer, BaseException)
        append = log.Append(where, [new])
        script, names, args = append.call
        (appended,) = append.read(await script(self.redis, names, args))
        assert appended.address is not None
        return appended.address

    async def _mark(self, partition: PartitionKeys) -> str:
        mark: Any = await self.redis.get(partition.recorded)
        return str(mark.decode())

    async def settle(
        self,
        address: ids.Address,
        records: Mapping[int, model.Record],
        attempts: Mapping[int, model.Attempt] | None = None,
    ) -> None:
        """Record the event's deliveries by endpoint number and move the mark over it; {} when nobody matched."""
        partition = self.partitions[address.partition]
        mark = await self._mark(partition)
        call = deliveries.Settle(partition, self.tokens[address.partition], mark)
        for endpoint, record in sorted(records.items()):
            attempt = (attempts or {}).get(endpoint)
            packed = model.pack_attempt(attempt) if attempt else b""
            call.transition(deliveries.Transition(ids.DeliveryKey(*address, endpoint), None, record, packed))
        call.index(address, sorted(records))
        call.passed(deliveries.Passed(address, sorted(records)))
        assert (await call.send(self.redis)).code == "K"

    async def change(
        self,
        key: ids.DeliveryKey,
        before: model.Record | None,
        after: model.Record,
        *,
        attempt: model.Attempt | None = None,
        late: bool = False,
    ) -> None:
        """One transition without moving the mark; `late` for a replay's delivery."""
        partition = self.partitions[key.partition]
        mark = await self._mark(partition)
        call = deliveries.Settle(partition, self.tokens[key.partition], mark)
        packed = model.pack_attempt(attempt) if attempt else b""
        call.transition(deliveries.Transition(key, before, after, packed, late=late))
        answer = await call.send(self.redis)
        assert answer == ("K", "1")

    async def read(self, address: ids.Address) -> Event | None:
        """The event as the API reads it."""
        return await log.read(self.redis, self.partitions[address.partition], address)

    async def publish_many(self, new_events: Sequence[tuple[int, NewEvent]]) -> list[ids.Address]:
        """Append events to given partitions, one call each, in one round trip."""
        appends = [log.Append(self.partitions[number], [new]) for number, new in new_events]
        answers = await scripts.run_all(self.redis, [append.call for append in appends])
        found = [append.read(answer)[0].address for append, answer in zip(appends, answers, strict=True)]
        return [address for address in found if address]
