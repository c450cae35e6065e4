"""A store, a registry, a receiver and any number of dispatchers in this process.

By hand: `hand = await rig.hand()` is a dispatcher whose loops run when the test says so (`turn`, `quiet`); only the
settler runs by itself. `await rig.dispatch()` is one with all its loops running. Each has a clock that jumps.
"""

import asyncio
import base64
import secrets
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import msgspec
from redis.asyncio import Redis

from dispatcher.process import Dispatcher
from gateway import ids
from gateway.clock import SystemClock
from gateway.model import delivery as model
from gateway.model.endpoint import Endpoint
from gateway.model.event import NewEvent
from gateway.model.subscriber import Kind, Subscriber
from gateway.settings import Settings
from gateway.store import connection, deliveries, endpoint_secrets, keys, ledger, log, scripts, work
from gateway.store.registry import Registry
from gateway.store.vault import Vault
from tests.integration.dispatcher.clock import JumpClock
from tests.integration.dispatcher.receiver import Receiver
from tests.support.sealed import sealed
from tests.support.waiting import until

PATIENCE = 20.0


class Hand(Dispatcher):
    """A dispatcher whose loops are called by the test."""

    def __init__(self, settings: Settings, url: str, clock: JumpClock, receiver: Receiver) -> None:
        super().__init__(settings, url, clock)
        self.clock, self._receiver = clock, receiver

    async def begin(self) -> None:
        """Prepare, run the settler, take the partitions."""
        await self.prepare()
        self._tasks.append(asyncio.create_task(self.settler.run(), name="settler"))
        await self.turn("membership")

    async def turn(self, *names: str) -> list[Any]:
        """One turn of each of these loops."""
        loops = {name: loop.run_once for name, loop in self.loops.items()}
        loops |= {"retries": self.retries.run_once, "retention": self.keeper.run_once}
        return [await loops[name]() for name in names]

    async def settle(self) -> None:
        """Wait until what has ended is settled."""
        await until(self._answered, PATIENCE, "an end of the attempts that no receiver holds")
        for partition in list(self.partitions.values()):
            await self.settler.flush(partition)

    async def work(self) -> None:
        """Read, attempt, retry and settle until nothing moves; what receivers hold stays in flight."""
        moved = 1
        while moved:
            seen = len(self._receiver.requests)
            read, retried, turned = await self.turn("reader", "retries", "holds")
            await self.settle()
            (tried,) = await self.turn("breakers")
            begun = len(self._receiver.requests) - seen + (not self._answered())
            moved = read.events + sum(retried) + turned + tried + begun

    def _answered(self) -> bool:
        return self.attempts.running <= self._receiver.held

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, as if the lease had been kept all the while."""
        self.clock.jump(seconds)
        await self.turn("membership")


class Rig:
    """`partitions` as configured; `settings` go to every dispatcher."""

    def __init__(self, url: str, directory: Path, *, partitions: int = 1, **settings: Any) -> None:
        given = {"retry_schedule": (10, 60), "deadline_seconds": 300, **settings}
        self.settings = Settings(
            redis_url=url,
            data=directory,
            partitions=partitions,
            encryption_keys="k1:" + base64.b64encode(secrets.token_bytes(32)).decode(),
            egress_allow=("127.0.0.0/8",),
            **given,
        )
        self.url = url
        self.redis: Redis = connection.connect(url)
        self.partitions = [keys.PartitionKeys(number, partitions) for number in range(partitions)]
        self.registry = Registry(self.redis, SystemClock())
        self.receiver = Receiver()
        self.dispatchers: list[Dispatcher] = []
        self._vault = Vault.from_settings(self.settings, directory)

    async def __aenter__(self) -> Self:
        await self.redis.flushall()
        await self.registry.bootstrap(len(self.partitions))
        await self.receiver.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for dispatcher in self.dispatchers:
            await dispatcher.end()
        await self.receiver.close()
        await self.redis.aclose()

    async def hand(self) -> Hand:
        """A dispatcher by hand that owns what it may."""
        hand = Hand(self.settings, self.url, JumpClock(), self.receiver)
        self.dispatchers.append(hand)
        await hand.begin()
        return hand

    async def dispatch(self, clock: JumpClock | None = None) -> Dispatcher:
        """A dispatcher with its loops running."""
        dispatcher = Dispatcher(self.settings, self.url, clock or JumpClock())
        self.dispatchers.append(dispatcher)
        await dispatcher.start()
        return dispatcher

    async def taken_over(self, former: Hand, *, planned: bool = False) -> Hand:
        """Another dispatcher that owns the only partition, after the former one handed over or died."""
        if planned:
            await former.stop()
        else:
            await former.end()
        self.dispatchers.remove(former)
        other = await self.hand()
        if not planned:
            await other.pass_time(10.1)
        assert list(other.partitions) == [0]
        return other

    async def endpoint(self, name: str, *, kind: Kind = "internal", **fields: Any) -> Endpoint:
        """An endpoint of a subscriber of its own; the receiver knows it under the same name."""
        return (await self.endpoints([name], kind=kind, subscriber=name, **fields))[0]

    async def endpoints(
        self, names: Sequence[str], *, subscriber: str = "all", kind: Kind = "internal", **fields: Any
    ) -> list[Endpoint]:
        """Endpoints of one new subscriber."""
        wanted = [self.made(name, subscriber, kind, **fields) for name in names]
        return list(await self.registry.create_subscriber(Subscriber(subscriber, kind), wanted))

    def made(self, name: str, subscriber: str, kind: Kind = "internal", **fields: Any) -> Endpoint:
        """An endpoint that is not registered yet."""
        given = {"secrets": sealed(self._vault, name), **fields}
        return Endpoint(name, 0, subscriber, kind, self.receiver.url(name), **given)

    def address(self, event_id: str) -> ids.Address:
        """The address in an event's id, without what a replay adds to it."""
        address = ids.parse_event_id(event_id.partition(":")[0])
        assert address is not None
        return address

    def at(self, endpoint: Endpoint, url: str) -> Endpoint:
        """The same at another URL."""
        return msgspec.structs.replace(endpoint, url=url)

    def subscriber(self, name: str) -> Subscriber:
        """An internal subscriber."""
        return Subscriber(name, "internal")

    def secret(self, endpoint: Endpoint) -> str:
        """Its signing secret."""
        return endpoint_secrets.text_of(self._vault, endpoint.id, endpoint.secrets[0])

    async def switch(self, endpoint: Endpoint, status: Literal["enabled", "disabled"]) -> None:
        """Enable or disable an endpoint, as an operator."""
        if status == "enabled":
            await self.registry.enable(endpoint.id)
        else:
            await self.registry.disable(endpoint.id, "operator", await connection.store_ms(self.redis))

    async def change(self, endpoint: Endpoint, **fields: Any) -> None:
        """Change an endpoint, as its owner does through the API."""
        held = await self.registry.get_endpoint(endpoint.id)
        assert held is not None
        await self.registry.update_endpoint(msgspec.structs.replace(held, **fields), held.revision)

    async def publish(self, count: int = 1, partition: int = 0, **fields: Any) -> list[ids.Address]:
        """Events without ids of their own, appended together."""
        given = {"source": "/tests", "type": "order.placed", "data": b'{"n":1}', **fields}
        found: list[ids.Address] = []
        for start in range(0, count, log.MAX_ITEMS):
            batch = [NewEvent(**given)] * min(log.MAX_ITEMS, count - start)
            append = log.Append(self.partitions[partition], batch)
            (answer,) = await scripts.run_all(self.redis, [append.call])
            found += [appended.address for appended in append.read(answer) if appended.address]
        return found

    async def poison(self, fields: dict[Any, Any], partition: int = 0) -> ids.Address:
        """An entry of the log that no gateway wrote."""
        added: Any = await self.redis.xadd(self.partitions[partition].log, fields)
        return ids.Address(*ids.parse_stream_id(added), partition)

    def key(self, address: ids.Address, endpoint: Endpoint | int, run: int = 0) -> ids.DeliveryKey:
        """The delivery of an event to an endpoint."""
        return ids.DeliveryKey(*address, endpoint if isinstance(endpoint, int) else endpoint.number, run)

    async def record(self, address: ids.Address, endpoint: Endpoint | int, run: int = 0) -> model.Record | None:
        """What the store has of it."""
        key = self.key(address, endpoint, run)
        return (await deliveries.read(self.redis, self.partitions[key.partition], [key]))[0]

    async def states(self, addresses: Sequence[ids.Address], endpoint: Endpoint | int) -> list[str]:
        """State (and reason) of each delivery, '' without a record."""
        found = [await self.record(address, endpoint) for address in addresses]
        return [described(record) for record in found]

    async def order(
        self, address: ids.Address, endpoint: Endpoint, kind: work.Kind = work.Kind.MANUAL, run: int = 0
    ) -> work.Answer:
        """Order a delivery."""
        key = self.key(address, endpoint, run if kind is work.Kind.AGAIN else 0)
        (answer,) = await work.order(self.redis, self.partitions[key.partition], [key], kind, run)
        return answer.answer

    async def attempts(self, address: ids.Address, endpoint: Endpoint | int, run: int = 0) -> list[model.Attempt]:
        """The stored attempts."""
        key = self.key(address, endpoint, run)
        record = await self.record(address, endpoint, run)
        numbers = range(1, record.attempts + 1) if record else ()
        fields = [model.attempt_field(key.packed(), number) for number in numbers]
        found: Any = await self.redis.hmget(self.partitions[0].attempts(key.minute), fields) if fields else []
        return [model.unpack_attempt(packed) for packed in found if packed]

    async def balanced(self) -> bool:
        """Whether the ledger balances with a recount."""
        return (await ledger.recount(self.redis, self.partitions)).balanced

    async def recorded(self) -> bool:
        """Whether every event is behind its mark."""
        for partition in self.partitions:
            newest: Any = await self.redis.xrevrange(partition.log, count=1)
            if newest and await self.redis.get(partition.recorded) != newest[0][0]:
                return False
        return True

    async def done(self) -> bool:
        """Whether every event is recorded and nothing is open."""
        sizes = [await self.redis.zcard(partition.open) for partition in self.partitions]
        return sum(sizes) == 0 and await self.recorded()

    async def wait_done(self, seconds: float = PATIENCE) -> None:
        """Wait for that."""
        await until(self.done, seconds, "every delivery in a terminal state")


def described(record: model.Record | None) -> str:
    """`delivered`, `dead exhausted` and so on."""
    if record is None:
        return ""
    reason = f" {record.reason.name.lower()}" if record.reason else ""
    return record.state.name.lower() + reason
