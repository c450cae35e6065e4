"""What the store has that needs no time, only its turn: lanes, chains whose first is free, and probes.

Each turn shares an endpoint's free slots among its lanes in all partitions; an endpoint without a free slot costs no
read. Lanes of endpoints that are held are left alone, but for the one delivery that a probe takes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import Attempts, StoreTime
from dispatcher.breakers import Breakers
from dispatcher.chains import Watch
from dispatcher.holds import Holds
from dispatcher.loader import Loader
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids, tasks
from gateway.model.delivery import Reason, State, Trigger
from gateway.store import schedule
from gateway.store.schedule import ChainId

PAGE = 256
AT_ONCE = 1_024
WATCH_MARGIN_MS = 2_000


class _Lane(NamedTuple):
    """The lane of an endpoint in one partition, how many of it are in hand, and what to take of it for which cause."""

    partition: Partition
    number: int
    held: int
    wanted: int = 0
    trigger: Trigger | None = None


class Backlog:
    """Loads what waits as slots come free."""

    def __init__(
        self, redis: Redis, time: StoreTime, view: RegistryView, attempts: Attempts, holds: Holds, breakers: Breakers,
        loader: Loader, partitions: Mapping[int, Partition],
    ) -> None:  # fmt: skip
        self._redis, self._time, self._view, self._holds = redis, time, view, holds
        self._attempts, self._lanes = attempts, attempts.lanes
        self._breakers, self._loader, self._partitions = breakers, loader, partitions
        self._turn = 0

    def waits(self, partition: Partition) -> bool:
        """Whether more could be loaded if a slot came free."""
        lanes = any(size > 0 and self._is_open(number) for number, size in partition.lane_sizes.items())
        return lanes or bool(partition.chains.ready)

    def _is_open(self, number: int) -> bool:
        return not self._lanes.hold(number) or not self._view.is_on(number)

    def probe_ms(self, number: int) -> int:
        """How long a probe of an endpoint may take; 0 when nothing waits for one here."""
        waits = any(p.lane_sizes[number] > 0 for p in self._partitions.values() if p.may_start())
        if not waits or self._lanes.hold(number) is not Reason.BREAKER:
            return 0
        return self._lanes.queue(number).terms.deadline_seconds * 1_000

    async def load(self, owned: Sequence[Partition]) -> int:
        """One turn; how many deliveries were taken in hand. Raises redis errors."""
        self._turn += 1
        shares: dict[int, list[_Lane]] = {}
        for number, waiting in self._lanes_to_load(owned).items():
            for lane in self._shares(number, waiting):
                shares.setdefault(lane.partition.number, []).append(lane)
        return sum(
            await tasks.all_of(self._load_of(partition, shares.get(partition.number, [])) for partition in owned)
        )

    async def _load_of(self, partition: Partition, lanes: Sequence[_Lane]) -> int:
        async with partition.taking:
            return await self._load_chains(partition) + await self._load_lanes(partition, lanes)

    def _lanes_to_load(self, owned: Sequence[Partition]) -> dict[int, list[_Lane]]:
        """By endpoint the lanes that have more than is in hand."""
        found: dict[int, list[_Lane]] = {}
        for partition in owned:
            if not partition.lane_sizes:
                continue
            held = Counter(d.endpoint for d in partition.in_hand.values() if d.record is not None and d.record.in_lane)
            for number in list(partition.lane_sizes):
                size = partition.lane_sizes[number]
                if size <= 0:
                    del partition.lane_sizes[number]
                elif size > held[number]:
                    found.setdefault(number, []).append(_Lane(partition, number, held[number]))
        return found

    def _shares(self, number: int, waiting: list[_Lane]) -> list[_Lane]:
        """Share the free slots of an endpoint; a lane that is alone has some more ready for the next ones."""
        if not self._is_open(number):
            probing = number in self._breakers.grants
            return [waiting[0]._replace(wanted=1, trigger=Trigger.PROBE)] if probing else []
        self._lanes.wanting.add(number)
        free = self._lanes.free(number) if self._view.is_on(number) else PAGE
        ahead = 2 if len(waiting) == 1 else 1
        shares: list[_Lane] = []
        for left, lane in zip(range(len(waiting), 0, -1), waiting, strict=True):
            share = -(-free // left)
            if share <= 0:
                break
            free -= share
            shares.append(lane._replace(wanted=min(share * ahead, PAGE)))
        return shares

    async def _load_lanes(self, partition: Partition, lanes: Sequence[_Lane]) -> int:
        """All lanes of a partition in two round trips; each turn begins with another one, and ends with enough."""
        first = self._turn % len(lanes) if lanes else 0
        chosen, asked = {}, 0
        for lane in (*lanes[first:], *lanes[:first]):
            if asked < AT_ONCE:
                chosen[lane.number] = lane
                asked += lane.wanted
        heads = {lane.number: lane.held + lane.wanted for lane in chosen.values()}
        found = await schedule.lanes(self._redis, partition.keys, heads)
        wanted = [
            key
            for number, waiting in found.items()
            for key in [key for key in waiting if key not in partition.in_hand][: chosen[number].wanted]
        ]
        taken = 0
        for loaded in await self._loader.load(partition, wanted):
            lane = chosen[loaded.key.endpoint]
            if loaded.record is not None and loaded.record.in_lane and loaded.key not in partition.in_hand:
                took = self._holds.take_up(partition, loaded, lane.trigger)
                taken += took
                if took and lane.trigger is Trigger.PROBE:
                    self._breakers.grants.discard(lane.number)
        return taken

    async def _load_chains(self, partition: Partition) -> int:
        """Take the first of the chains that nobody is busy in, as far as their endpoints have room."""
        await self._look_after_watched(partition)
        chosen = self._chains_with_room(partition)
        if not chosen:
            return 0
        going = await self._heads(partition, chosen)
        taken = 0
        for chain_id, loaded in zip(going.values(), await self._loader.load(partition, list(going)), strict=True):
            record = loaded.record
            if record is None or loaded.key in partition.in_hand:
                continue
            if record.state is State.HELD and record.reason is Reason.ORDER:
                taken += self._holds.take_up(partition, loaded)
            else:
                self._watch(partition, chain_id, loaded.key)
        return taken

    async def _heads(self, partition: Partition, chosen: Sequence[ChainId]) -> dict[ids.DeliveryKey, ChainId]:
        """Who is first in each chain, as far as that can be said."""
        read = ids.parse_stream_id(partition.cursor)
        found: dict[ids.DeliveryKey, ChainId] = {}
        heads = await schedule.chain_heads(self._redis, partition.keys, chosen)
        for chain_id, key in zip(chosen, heads, strict=True):
            if key is None or key.address[:2] > read:
                # deleted from the store, or something that was accepted before it was still to be read when we asked
                partition.chains.put_back([chain_id])
            elif key not in partition.in_hand:
                found[key] = chain_id
        return found

    async def _look_after_watched(self, partition: Partition) -> None:
        """See whether former owners' attempts have ended: then the next of their chains can go."""
        chains = partition.chains
        if not chains.watched:
            return
        watched = list(chains.watched.items())[:PAGE]
        changes = [chain.changes if (chain := chains.find(chain_id)) else 0 for chain_id, _ in watched]
        heads = await schedule.chain_heads(self._redis, partition.keys, [chain_id for chain_id, _ in watched])
        for (chain_id, watch), key, before in zip(watched, heads, changes, strict=True):
            if key != watch.key:
                chains.passed_by(chain_id, before, by=key is not None)
            elif self._time.now_ms() > watch.until_ms:
                chains.watched.pop(chain_id, None)

    def _watch(self, partition: Partition, chain_id: ChainId, key: ids.DeliveryKey) -> None:
        """The first of a chain comes by itself; but its former owner may still end an attempt at it."""
        until_ms = partition.taken_ms + self._attempts.longest_seconds(key.endpoint) * 1_000 + WATCH_MARGIN_MS
        if self._time.now_ms() <= until_ms:
            partition.chains.watch(chain_id, Watch(key, until_ms))

    def _chains_with_room(self, partition: Partition) -> list[ChainId]:
        """Take ready chains off the list; those of a held endpoint count as having room: they move to its lane."""
        free: dict[int, int] = {}
        chosen: list[ChainId] = []
        for chain_id in partition.chains.ready:
            if not partition.knows_first(chain_id):
                continue
            room = free.setdefault(chain_id.endpoint, self._room(chain_id.endpoint))
            if room > 0:
                free[chain_id.endpoint] = room - 1
                chosen.append(chain_id)
                if len(chosen) >= PAGE:
                    break
            else:
                self._lanes.wanting.add(chain_id.endpoint)
        for chain_id in chosen:
            del partition.chains.ready[chain_id]
        return chosen

    def _room(self, number: int) -> int:
        held = self._lanes.hold(number) or not self._view.is_on(number)
        return PAGE if held else self._lanes.free(number)
