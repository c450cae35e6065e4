"""One partition on a real store whose owners do anything in any order: what a state machine drives."""

from typing import Any

from redis.asyncio import Redis

from dispatcher import outcome
from dispatcher.delivery import Delivery
from dispatcher.outcome import Moment, Policy
from dispatcher.partition import Found, Partition
from dispatcher.sender import Answered, Failed, Result
from gateway import ids
from gateway.model import delivery as model
from gateway.model import event as events
from gateway.model.delivery import OPEN_STATES, Reason, Record, State
from gateway.store import deliveries, keys, leases, ledger, log, rebuild, retention, schedule, scripts, work

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


class Owned:
    """The store, its present owner, and owners that handed over while something ran."""

    def __init__(self, redis: Redis) -> None:
        self.redis, self.keys = redis, keys.PartitionKeys(0, 1)
        self.published: dict[ids.Address, tuple[int, ...]] = {}
        self.left: set[ids.Address] = set()
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
        self.partition = Partition(self.keys, taken, Found(recorded, sizes), lambda: None, lambda: True)
        self.begun = []

    async def publish(self, count: int, endpoints: tuple[int, ...]) -> None:
        new = events.NewEvent("/t", "order.placed", b"{}")
        append = log.Append(self.keys, [new] * count)
        (answer,) = await scripts.run_all(self.redis, [append.call])
        self.published |= {a.address: endpoints for a in append.read(answer) if a.address}

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
                self._begin(delivery)

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
            Policy((5, 5)),
            Moment(self.now_ms, 0),
            Middle(),
        )
        delivery.partition.transition(delivery, verdict.after, b"attempt")

    def defer(self, delivery: Delivery) -> None:
        self.now_ms += 1
        if delivery.progress is not None:
            self.partition.transition(delivery, outcome.waiting(delivery.old, self.now_ms))

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
        """What is due (everything but what may still run elsewhere) and what lanes hold, as the retries do."""
        until = NEVER if not self.orphans else HANDED_OVER - 1
        found = await schedule.due(self.redis, self.keys, until, 10)
        for number in await schedule.lane_sizes(self.redis, self.keys):
            found += await schedule.lane(self.redis, self.keys, number, 10)
        wanted = [key for key in found if key not in self.partition.in_hand]
        for key, record in zip(wanted, await deliveries.read(self.redis, self.keys, wanted), strict=True):
            assert record is not None
            assert record.state in OPEN_STATES
            self._begin(Delivery(key, await self._event(key.address), self.partition, record=record))

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
        former.released = True
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
        await self.redis.delete(p.open, p.dead, p.due, p.lanes, *lanes)

        async def pulse() -> None:
            """Nothing to keep alive."""

        await rebuild.rebuild(self.redis, p, self.partition.token, pulse)

    async def records(self) -> dict[ids.DeliveryKey, Record]:
        found: dict[ids.DeliveryKey, Record] = {}
        for minute in {address.ms // ids.MINUTE_MS for address in self.published}:
            rows: Any = await self.redis.hgetall(self.keys.records(minute))
            found |= {ids.unpack_key(field, 0): model.unpack_record(row) for field, row in rows.items()}
        return found

    async def check(self) -> None:
        """Every acknowledged delivery is in exactly one state, its places follow from it, the ledger balances."""
        records, mark = await self.records(), ids.parse_stream_id(self.partition.mark)
        for address, endpoints in self.published.items():
            have = {key.endpoint for key in records if key.address == address and not key.run}
            if address[:2] <= mark and address not in self.left:
                assert have >= set(endpoints), f"{address} is behind the mark without all its records"
        await self._check_places(records)
        await self._check_attempts(records)
        balance = await ledger.recount(self.redis, [self.keys])
        assert balance.balanced, balance

    async def _check_places(self, records: dict[ids.DeliveryKey, Record]) -> None:
        p = self.keys
        wanted: dict[str, set[bytes]] = {p.open: set(), p.dead: set(), p.due: set()}
        wanted |= {p.lane(key.endpoint): set() for key in records}
        for key, record in records.items():
            places = {
                p.open: record.state in OPEN_STATES,
                p.dead: record.state is State.DEAD,
                p.due: record.due_ms > 0,
                p.lane(key.endpoint): record.in_lane,
            }
            for name in (name for name, there in places.items() if there):
                wanted[name].add(key.packed())
        for name, members in wanted.items():
            assert set(await self.redis.zrange(name, 0, -1)) == members, name
        lanes: Any = await self.redis.smembers(p.lanes)
        assert {int(number) for number in lanes} == {key.endpoint for key, record in records.items() if record.in_lane}

    async def _check_attempts(self, records: dict[ids.DeliveryKey, Record]) -> None:
        stored = 0
        for minute in {address.ms // ids.MINUTE_MS for address in self.published}:
            stored += int(await self.redis.hlen(self.keys.attempts(minute)))
        assert stored == sum(record.attempts for record in records.values())


def _gone(key: ids.DeliveryKey) -> events.Event:
    return events.Event(key.address, key.address.event_id, "", "", b"")
