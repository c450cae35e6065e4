"""One partition on a real store whose owners do anything in any order: what a state machine drives."""

from typing import Any

from redis.asyncio import Redis

from dispatcher import outcome
from dispatcher.delivery import Delivery
from dispatcher.outcome import Moment, Policy
from dispatcher.partition import Found, Partition
from dispatcher.sender import Answered, Failed, Result
from gateway import ids
from gateway.model import event as events
from gateway.model.delivery import OPEN_STATES, Reason, State, chain_of
from gateway.store import connection, deliveries, keys, leases, log, rebuild, retention, schedule, scripts, work
from tests.integration.dispatcher.history_checks import Checked
from tests.support.valkey import ValkeyServer

RESULTS: dict[str, Result] = {
    "ok": Answered(200, [], b"", body_truncated=False, remote_address="", duration_ms=1.0),
    "fail": Answered(500, [], b"", body_truncated=False, remote_address="", duration_ms=1.0),
    "gone": Answered(410, [], b"", body_truncated=False, remote_address="", duration_ms=1.0),
    "reset": Failed("reset", "", "", 1.0),
}
NEVER = 2**47
HANDED_OVER = NEVER - 1


class Middle:
    def uniform(self, low: float, high: float) -> float:
        return (low + high) / 2


class Owned(Checked):
    """The store, its present owner, and owners that handed over while something ran.

    Endpoints of even number are ordered; at those that four divides a failure steps aside. `held` says why live
    deliveries of an endpoint wait, if they do.
    """

    def __init__(self, redis: Redis) -> None:
        super().__init__()
        self.redis, self.keys = redis, keys.PartitionKeys(0, 1)
        self.held: dict[int, Reason] = {}
        self.begun: list[Delivery] = []
        self.orphans: list[tuple[Partition, list[Delivery]]] = []
        self.now_ms = 1_000
        self.partition: Partition

    async def take(self) -> None:
        """A new owner; what the former one had in memory is gone."""
        (seen,) = await leases.peek(self.redis, [self.keys])
        taken = await leases.take(self.redis, self.keys, "owner", seen)
        assert taken is not None
        recorded = await deliveries.recorded_between(self.redis, self.keys, taken.mark, taken.top)
        sizes = await schedule.lane_sizes(self.redis, self.keys)
        found = Found(recorded, sizes, await schedule.chain_sizes(self.redis, self.keys))
        self.partition = Partition(self.keys, taken, found, lambda: None, lambda: True)
        self.begun = []

    def appending(self, count: int, subject: str) -> log.Append:
        """A flush, which may be sent any number of times."""
        return log.Append(self.keys, [events.NewEvent("/t", "order.placed", b"{}", subject=subject)] * count)

    async def publish(self, append: log.Append, subject: str, endpoints: tuple[int, ...]) -> None:
        (answer,) = await scripts.run_all(self.redis, [append.call])
        addresses = [appended.address for appended in append.read(answer) if appended.address]
        self.published |= dict.fromkeys(addresses, endpoints)
        if subject:
            self.chains |= dict.fromkeys(addresses, chain_of(subject))

    async def read(self) -> None:
        """The next events, begun and not yet ended."""
        entries: Any = await self.redis.xrange(self.keys.log, f"({self.partition.cursor}", count=3)
        for stream_id, fields in entries:
            address = ids.Address(*ids.parse_stream_id(stream_id), 0)
            event = events.unpack(address, *log.entry_fields(fields))
            progress, missing = self.partition.track(event, list(self.published[address]))
            for number in missing:
                key = ids.DeliveryKey(*address, number)
                delivery = Delivery(key, event, self.partition, progress=progress)
                if number % 2 == 0:
                    delivery.chain = self.chains.get(address, 0)
                await self._admit(delivery)

    async def _admit(self, delivery: Delivery) -> None:
        chains = self.partition.chains
        if delivery.chain and not (chains.is_first(delivery) and not chains.of(delivery).unsettled):
            self._wait(delivery, Reason.ORDER)
        else:
            chains.begin(delivery)
            await self._go(delivery)

    async def _go(self, delivery: Delivery) -> None:
        """It is its turn, unless its endpoint is held."""
        if delivery.endpoint in self.held:
            self._wait(delivery, self.held[delivery.endpoint])
        else:
            if delivery.chain and delivery.attempt == 1:
                await self.check_first(delivery)
            self._begin(delivery)

    def _wait(self, delivery: Delivery, why: Reason = Reason.NONE) -> None:
        self.now_ms += 1
        self.partition.transition(delivery, outcome.waiting(delivery.old, self.now_ms, why))

    def _begin(self, delivery: Delivery) -> None:
        delivery.running = True
        self.partition.in_hand[delivery.key] = delivery
        self.begun.append(delivery)

    def end(self, delivery: Delivery, result: str) -> None:
        """The answer of an attempt is in."""
        self.now_ms += 1
        delivery.running = False
        verdict = outcome.judge(
            delivery.old,
            RESULTS[result],
            delivery.kind,
            delivery.run,
            Policy((5, 5), aside=delivery.endpoint % 4 == 0),
            Moment(self.now_ms, 0),
            Middle(),
        )
        delivery.partition.transition(delivery, verdict.after, b"attempt")

    def defer(self, delivery: Delivery) -> None:
        if delivery.progress is not None:
            self._wait(delivery)

    async def settle(self, *, lossy: bool, partition: Partition | None = None) -> None:
        """All that waits; with `lossy` each first reply is lost."""
        one = partition or self.partition
        while one.has_work() and not one.lost:
            for _ in range(2 if lossy else 1):
                answer = await one.call().send(self.redis)
            one.settled(answer)
        if one.lost:
            assert self.orphans, "only an attempt of a former owner can contradict"
            await self.take()

    async def begin_waiting(self) -> None:
        """What is due (everything but what may still run elsewhere), what lanes hold, and who is first in a line."""
        until = NEVER if not self.orphans else HANDED_OVER - 1
        found = await schedule.due(self.redis, self.keys, until, 10)
        for number in await schedule.lane_sizes(self.redis, self.keys):
            if number not in self.held:
                found += await schedule.lane(self.redis, self.keys, number, 10)
        found += await self._heads()
        wanted = [key for key in found if key not in self.partition.in_hand]
        for key, record in zip(wanted, await deliveries.read(self.redis, self.keys, wanted), strict=True):
            assert record is not None
            assert record.state in OPEN_STATES
            delivery = Delivery(key, await self._event(key.address), self.partition, record=record)
            if self.partition.chains.begin(delivery):
                await self._go(delivery)

    async def _heads(self) -> list[ids.DeliveryKey]:
        read = ids.parse_stream_id(self.partition.cursor)
        lines = list(await schedule.chain_sizes(self.redis, self.keys))
        known = [chain_id for chain_id in lines if self.partition.knows_first(chain_id)]
        heads = [key for key in await schedule.chain_heads(self.redis, self.keys, known) if key]
        records = await deliveries.read(self.redis, self.keys, heads)
        pairs = zip(heads, records, strict=True)
        return [k for k, r in pairs if r and r.reason is Reason.ORDER and k.address[:2] <= read]

    async def hold(self, number: int, why: Reason) -> None:
        """An endpoint is paused, or its breaker opens; a pause also turns what waits in its lane."""
        self.held[number] = why
        found = await schedule.lane(self.redis, self.keys, number, 10) if why is Reason.PAUSED else []
        for key, record in zip(found, await deliveries.read(self.redis, self.keys, found), strict=True):
            if record is not None and record.state is State.PENDING and key not in self.partition.in_hand:
                event = await self._event(key.address)
                self._wait(Delivery(key, event, self.partition, record=record), why)

    async def _event(self, address: ids.Address) -> events.Event:
        event = await log.read(self.redis, self.keys, address)
        assert event is not None
        return event

    async def decline(self, endpoint: int) -> None:
        """An endpoint is switched off: what is open in the store ends."""
        _, page = await schedule.open_page(self.redis, self.keys, 0)
        wanted = [key for key in page if key.endpoint == endpoint and key not in self.partition.in_hand]
        self.now_ms += 1
        for key, record in zip(wanted, await deliveries.read(self.redis, self.keys, wanted), strict=True):
            delivery = Delivery(key, await self._event(key.address), self.partition, record=record)
            self.partition.decline(delivery, Reason.ENDPOINT_DISABLED, self.now_ms)

    async def cut(self, server: ValkeyServer, at: float, append: log.Append | None) -> None:
        """The store dies before it answers: its file ends at a byte of what that script wrote, at `at` of its length.

        What was acknowledged is before that. Whoever asked does not know, and asks again.
        """
        (path,) = server.directory.glob("*/*.incr.aof")
        before = path.stat().st_size
        if append is not None:
            await scripts.run_all(self.redis, [append.call])
        elif self.partition.has_work():
            await self.partition.call().send(self.redis)
        await self.redis.aclose()
        server.kill9()
        with path.open("r+b") as file:
            file.truncate(before + round((path.stat().st_size - before) * at))
        server.start()
        self.redis = connection.connect(server.url)

    async def order(self, address: ids.Address, endpoint: int, kind: work.Kind, run: int) -> None:
        key = ids.DeliveryKey(*address, endpoint, run if kind is work.Kind.AGAIN else 0)
        await work.order(self.redis, self.keys, [key], kind, run)

    async def obey(self) -> None:
        """Begin what is ordered."""
        page = await work.page(self.redis, self.keys, 0)
        wanted = [key for key in page.orders if key not in self.partition.in_hand]
        for key, record in zip(wanted, await deliveries.read(self.redis, self.keys, wanted), strict=True):
            event = await log.read(self.redis, self.keys, key.address)
            order = page.orders[key]
            delivery = Delivery(key, event or _gone(key), self.partition, record=record, order=order)
            self.now_ms += 1
            if event is None:
                self.partition.decline(delivery, Reason.EXPIRED, self.now_ms)
            elif order.kind in {work.Kind.FILL, work.Kind.AGAIN} and record is not None and record.state < State.DEAD:
                self.partition.forget_order(delivery, self.now_ms)
            else:
                self._begin(delivery)

    async def hand_over(self) -> None:
        """As membership does: what runs becomes pending until its end, and stays with the former owner."""
        former, running = self.partition, [d for d in self.begun if d.running]
        self.now_ms += 1
        for delivery in running:
            after = outcome.handed_over(delivery.old, delivery.kind, delivery.run, self.now_ms, HANDED_OVER)
            former.transition(delivery, after)
        await self.settle(lossy=False)
        former.released = self.handed_over = True
        await leases.release(self.redis, self.keys, former.token)
        self.orphans.append((former, running))
        await self.take()

    async def settle_orphan(self, result: str) -> None:
        """A former owner's attempt ends."""
        former, running = self.orphans[-1]
        if running:
            self.end(running.pop(), result)
            await self.settle(lossy=True, partition=former)

    async def trim(self, *, early: bool) -> None:
        cut = retention.Cut(NEVER, early=early)
        token, in_hand = self.partition.token, self.partition.in_hand
        await retention.trim(self.redis, self.keys, 1, token, cut, in_hand)
        await retention.trim_kept(self.redis, self.keys, 1, token, NEVER, in_hand)
        records = await self.records()
        for address in self.published:
            if not await self.redis.xrange(self.keys.log, address.stream_id, address.stream_id):
                # what is left of it has a record; what had ended is gone
                left = {key.endpoint for key in records if key.address == address and not key.run}
                self.published[address] = tuple(left)
            if await log.read(self.redis, self.keys, address) is None:
                self.left.add(address)

    async def break_places(self) -> None:
        """The derived keys are deleted and made again."""
        p = self.keys
        lanes = [p.lane(int(number)) for number in await schedule.lane_sizes(self.redis, p)]
        await self.redis.delete(p.open, p.dead, p.due, p.lanes, p.order, *lanes)

        async def pulse() -> None:
            """Nothing to keep alive."""

        await rebuild.rebuild(self.redis, p, self.partition.token, pulse)


def _gone(key: ids.DeliveryKey) -> events.Event:
    return events.Event(key.address, key.address.event_id, "", "", b"")
