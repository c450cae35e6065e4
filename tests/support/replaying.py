"""A store, a dispatcher and a receiver in this process: what replays need to be tested for real.

async with Station(valkey_url, tmp_path) as station:
    shop = await station.endpoint("shop")
    await station.publish(3, prefix="e")
    replay = await station.replay(shop, mode="again")
    await station.finish(replay.id)
    assert station.received("shop") == [...]
"""

import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from redis.asyncio import Redis

from dispatcher.jobs.slices import Signals, Slice
from dispatcher.jobs.timing import NORMAL, Timing
from dispatcher.process import Dispatcher
from gateway import ids
from gateway.clock import SystemClock
from gateway.model.delivery import Record
from gateway.model.endpoint import Endpoint
from gateway.model.event import NewEvent
from gateway.model.replay import FINISHED, Replay
from gateway.model.subscriber import Kind, Subscriber
from gateway.settings import Settings
from gateway.store import connection, deliveries, keys, log, replay_orders, scripts
from gateway.store.registry import Registry
from gateway.store.replays import Replays
from gateway.store.vault import Vault
from tests.support.receiving import Receiving
from tests.support.sealed import sealed
from tests.support.waiting import until

LONG_AGO_MS = 0
PATIENCE = 20.0


class Station:
    """`partitions` as configured; `most` orders outstanding per replay; `dispatching` False: nobody owns anything."""

    def __init__(
        self, url: str, directory: Path, *, partitions: int = 2, most: int = 128, dispatching: bool = True
    ) -> None:
        self.url, self.clock, self.most = url, SystemClock(), most
        self.settings = Settings(
            redis_url=url,
            data=directory,
            partitions=partitions,
            encryption_keys="k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            egress_allow=("127.0.0.0/8",),
            retry_schedule=(3_600,),
        )
        self.redis: Redis = connection.connect(url)
        self.partitions = [keys.PartitionKeys(number, partitions) for number in range(partitions)]
        self.registry, self.replays = Registry(self.redis, self.clock), Replays(self.redis, self.clock)
        self.sink = Receiving()
        self._dispatching = dispatching
        self._dispatcher: Dispatcher | None = None

    async def __aenter__(self) -> Self:
        await self.redis.flushall()
        await self.registry.bootstrap(len(self.partitions))
        await self.sink.open()
        if self._dispatching:
            await self.dispatch()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sink.release()
        if self._dispatcher is not None:
            await self._dispatcher.stop()
        await self.sink.close()
        await self.redis.aclose()

    async def dispatch(self) -> None:
        """Begin to dispatch."""
        self._dispatcher = Dispatcher(self.settings, self.url, self.clock)
        await self._dispatcher.start()

    async def hand_over(self) -> None:
        """Let another dispatcher take the place of this one."""
        assert self._dispatcher is not None
        await self._dispatcher.stop()
        await self.dispatch()

    async def endpoint(
        self,
        name: str,
        *,
        kind: Kind = "internal",
        event_types: Sequence[str] = ("*",),
        status: Literal["enabled", "disabled"] = "enabled",
        **fields: Any,
    ) -> Endpoint:
        """An endpoint of a subscriber of its own with the same name, which the sink receives under that name."""
        secrets = sealed(Vault.from_settings(self.settings, self.settings.data), name)
        url = self.sink.url(name)
        endpoint = Endpoint(name, 0, name, kind, url, tuple(event_types), secrets=secrets, status=status, **fields)
        return (await self.registry.create_subscriber(Subscriber(name, kind), [endpoint]))[0]

    def knows(self, endpoint: Endpoint) -> bool:
        """Whether the dispatcher has heard of an endpoint."""
        return self._dispatcher is not None and self._dispatcher.view.endpoint(endpoint.number) is not None

    async def switch(self, endpoint: Endpoint, status: Literal["enabled", "disabled"]) -> None:
        """Enable or disable an endpoint."""
        if status == "enabled":
            await self.registry.enable(endpoint.id)
        else:
            await self.registry.disable(endpoint.id, "operator", await connection.store_ms(self.redis))

    async def change(self, endpoint: Endpoint, **fields: Any) -> None:
        """Change an endpoint, as its owner does through the API."""
        read = await self.registry.get_endpoint(endpoint.id)
        assert read is not None
        await self.registry.update_endpoint(msgspec.structs.replace(read, **fields), read.revision)

    async def publish(self, count: int, prefix: str, **fields: Any) -> list[str]:
        """Append events with the ids `<prefix>-0` and so on, spread over the partitions."""
        names = [f"{prefix}-{number}" for number in range(count)]
        appends = []
        for name in names:
            given = {"source": "/tests", "type": "order.placed", "data": b"{}", "id": name, **fields}
            where = self.partitions[ids.partition_of(name, len(self.partitions))]
            appends.append(log.Append(where, [NewEvent(**given)]))
        await scripts.run_all(self.redis, [append.call for append in appends])
        return names

    async def publish_of(self, *subjects: str) -> list[str]:
        """One event per subject ('' for none) in the partition of that ordering key, one after the other; their ids."""
        published = []
        for number, subject in enumerate(subjects):
            where = self.partitions[ids.partition_of(subject or str(number), len(self.partitions))]
            append = log.Append(where, [NewEvent(source="/tests", type="order.placed", data=b"{}", subject=subject)])
            (answer,) = await scripts.run_all(self.redis, [append.call])
            (appended,) = append.read(answer)
            assert appended.address is not None
            published.append(appended.address.event_id)
        return published

    async def address(self, event_id: str) -> ids.Address:
        """Where an event lies."""
        found = await log.find(self.redis, self.partitions, event_id)
        assert found is not None
        return found

    async def record(self, event_id: str, endpoint: Endpoint, run: int = 0) -> Record | None:
        """The record of a delivery."""
        key = ids.DeliveryKey(*await self.address(event_id), endpoint.number, run)
        return (await deliveries.read(self.redis, self.partitions[key.partition], [key]))[0]

    async def is_recorded(self) -> bool:
        """Whether every event is behind its partition's mark."""
        for partition in self.partitions:
            newest: Any = await self.redis.xrevrange(partition.log, count=1)
            if newest and await self.redis.get(partition.recorded) != newest[0][0]:
                return False
        return True

    async def settle(self) -> None:
        """Wait until every event is recorded and nothing is pending."""
        await until(self.is_recorded, PATIENCE, "every event recorded")

    async def replay(self, endpoint: Endpoint, **fields: Any) -> Replay:
        """Store a replay from the beginning until now."""
        now = await connection.store_ms(self.redis)
        new = Replay(ids.make("rpl", now), 0, endpoint.id, endpoint.number, LONG_AGO_MS, now + 1)
        return await self.replays.create(msgspec.structs.replace(new, **fields))

    async def get(self, replay_id: str) -> Replay:
        """The replay as stored."""
        found = await self.replays.get(replay_id)
        assert found is not None
        return found

    async def slice(self, replay_id: str, token: str = "", timing: Timing = NORMAL) -> str | None:
        """Run one slice here."""

        async def others_wait() -> bool:
            return False

        signals = Signals(lambda: False, others_wait)
        one = Slice(self.redis, self.partitions, self.clock, timing, signals, self.most)
        return await one.run(replay_id, token)

    async def finish(self, replay_id: str, timing: Timing = NORMAL) -> Replay:
        """Run slices here until there is none to follow; the replay as it is then."""
        token: str | None = ""
        while token is not None:
            token = await self.slice(replay_id, token, timing)
        return await self.get(replay_id)

    async def has_ended(self, replay_id: str) -> bool:
        """Whether a replay that others run has ended."""
        return (await self.get(replay_id)).status in FINISHED

    async def sent(self, replay: Replay) -> int:
        """How many deliveries of it were attempted."""
        return await replay_orders.sent(self.redis, self.partitions, replay.run)

    async def counted(self, replay: Replay, name: str) -> int:
        """`delivered` or `failed`, as the owners count."""
        found = [await self.redis.hget(p.replayed, f"{replay.run}:{name}") for p in self.partitions]
        return sum(int(count or 0) for count in found)
