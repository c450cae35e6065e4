"""What must be true of a partition at any time, whatever happened to it."""

from collections import Counter
from typing import Any

from redis.asyncio import Redis

from dispatcher.delivery import Delivery
from dispatcher.partition import Partition
from gateway import ids
from gateway.model import delivery as model
from gateway.model.delivery import OPEN_STATES, Record, State
from gateway.store import keys, ledger, schedule


class Checked:
    """The store, its present owner, and what was published for whom; `left` are events of which nothing is left."""

    redis: Redis
    keys: keys.PartitionKeys
    partition: Partition

    def __init__(self) -> None:
        self.published: dict[ids.Address, tuple[int, ...]] = {}
        self.chains: dict[ids.Address, int] = {}
        self.left: set[ids.Address] = set()
        self.handed_over = False

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
        await self._check_chains(records)
        await self._check_attempts(records)
        balance = await ledger.recount(self.redis, [self.keys])
        assert balance.balanced, balance

    async def _check_places(self, records: dict[ids.DeliveryKey, Record]) -> None:
        p = self.keys
        wanted: dict[str, set[bytes]] = {p.open: set(), p.dead: set(), p.due: set(), p.order: set()}
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
            if record.in_chain:
                wanted[p.order].add(schedule.pack_member(key, record.chain))
        for name, members in wanted.items():
            assert set(await self.redis.zrange(name, 0, -1)) == members, name
        lanes: Any = await self.redis.smembers(p.lanes)
        assert {int(number) for number in lanes} == {key.endpoint for key, record in records.items() if record.in_lane}

    async def _check_attempts(self, records: dict[ids.DeliveryKey, Record]) -> None:
        stored = 0
        for minute in {address.ms // ids.MINUTE_MS for address in self.published}:
            stored += int(await self.redis.hlen(self.keys.attempts(minute)))
        assert stored == sum(record.attempts for record in records.values())

    async def _check_chains(self, records: dict[ids.DeliveryKey, Record]) -> None:
        """What the owner believes of its lines is so, unless another one may still change them."""
        if self.partition.has_work() or self.handed_over:
            return
        sizes: Counter[schedule.ChainId] = Counter()
        for key, record in records.items():
            if record.in_chain:
                sizes[schedule.ChainId(key.endpoint, record.chain)] += 1
        for chain_id in {*sizes, *self.partition.chains.ready}:
            chain = self.partition.chains.find(chain_id)
            assert chain is not None
            assert chain.stored == sizes[chain_id]
            assert not chain.unsettled

    async def check_first(self, delivery: Delivery) -> None:
        """Everything before it in its line is recorded as out of the way."""
        records = await self.records()
        for address, chain in self.chains.items():
            key = ids.DeliveryKey(*address, delivery.endpoint)
            before = address < delivery.key.address and chain == delivery.chain and address not in self.left
            if before and delivery.endpoint in self.published[address]:
                assert key in records, f"{delivery.key} begins before {key}"
                assert records[key].chain != chain, f"{delivery.key} begins before {key}, which is {records[key]}"
