"""Who is alive and which partitions are ours.

    not ours --lease released, or seen unchanged for 10 s--> taking --records read--> owned
    owned --assigned to another--> handing over (at most one at a time) --> not ours
    owned --beat refused, or an answer contradicts us--> lost --> not ours

A live lease is never stolen. A member counts as alive until its beat was seen unchanged for the lease time; leases are
watched whoever they are assigned to, so that both times run at once. Hand-over: stop reading, up to `GRACE_SECONDS` for
what runs, record the rest as pending (what still runs with its attempt number and not before its deadline + 1 s),
release; the old owner may then still settle exactly those attempts. A hand-over that fails half-way gives the partition
up as lost: nothing may stay that is neither read nor released.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher import assignment, outcome
from dispatcher.attempts import Attempts, StoreTime
from dispatcher.holds import Holds
from dispatcher.partition import Found, Partition
from dispatcher.settler import Settler
from gateway.clock import Clock
from gateway.store import deliveries, keys, leases, rebuild, schedule
from gateway.store.members import Members

GRACE_SECONDS = 2.0
FLUSH_SECONDS = 3.0
TURN_SECONDS = 0.25
logger = logging.getLogger("dispatcher.membership")


class Report(NamedTuple):
    """What one turn changed."""

    taken: list[int]
    released: list[int]
    lost: list[int]


class _Seen(NamedTuple):
    value: object
    since: float


class Membership:
    """Keeps `partitions` equal to what we own."""

    def __init__(
        self,
        member: str,
        redis: Redis,
        clock: Clock,
        time: StoreTime,
        members: Members,
        all_partitions: list[keys.PartitionKeys],
        settler: Settler,
        attempts: Attempts,
        holds: Holds,
        partitions: dict[int, Partition],
        on_taken: Callable[[Partition], None],
    ) -> None:
        self.member, self._redis, self._clock, self._time = member, redis, clock, time
        self._members, self._all, self._settler, self._attempts = members, all_partitions, settler, attempts
        self.partitions, self._holds, self._on_taken = partitions, holds, on_taken
        self._beat_sent = self._beat_due = float("-inf")
        self._seen_members: dict[str, _Seen] = {}
        self._seen_leases: dict[int, _Seen] = {}
        self._taking: list[tuple[keys.PartitionKeys, str]] = []
        self.owners: dict[int, str] = {}

    def is_fresh(self) -> bool:
        """Whether our last good beat is young enough to start attempts."""
        return self._clock.monotonic() - self._beat_sent <= leases.SAFE_SECONDS

    async def run_once(self) -> Report:
        """One turn: beat, see who lives, give up or take partitions. Raises redis errors."""
        await self._beat()
        lost = self._drop_lost()
        live = await self._live_members()
        self.owners = assignment.assign(live, len(self._all))
        released = await self._hand_over_one()
        taken = await self._take_ours()
        self._attempts.lanes.set_share(len(self.partitions), len(self._all))
        return Report(taken, released, lost)

    async def _beat(self) -> None:
        now = self._clock.monotonic()
        if now < self._beat_due:
            return
        held = list(self.partitions.values())
        answers = await leases.beat(self._redis, [*((p.keys, p.token) for p in held), *self._taking])
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            raise failures[0]
        self._beat_sent, self._beat_due = now, now + leases.BEAT_SECONDS
        lost = [p for p, answer in zip(held, answers, strict=False) if answer is False]
        for partition in lost:
            partition.lost = True

    def _drop_lost(self) -> list[int]:
        lost = [number for number, partition in self.partitions.items() if partition.lost]
        for number in lost:
            self._attempts.lanes.take_partition(number)
            del self.partitions[number]
            self._seen_leases.pop(number, None)
            logger.warning("partition.lost", extra={"partition": number})
        return lost

    async def _live_members(self) -> set[str]:
        now = self._clock.monotonic()
        beats = await self._members.beat(self.member)
        for member, beat in beats.items():
            seen = self._seen_members.get(member)
            if seen is None or seen.value != beat:
                self._seen_members[member] = _Seen(beat, now)
        self._seen_members = {m: seen for m, seen in self._seen_members.items() if m in beats}
        dead = {m for m, seen in self._seen_members.items() if now - seen.since > leases.LEASE_SECONDS}
        for member in dead:
            await self._members.remove(member, beats[member])
        return set(beats) - dead | {self.member}

    async def _hand_over_one(self) -> list[int]:
        ours = [n for n, partition in self.partitions.items() if self.owners[n] != self.member and not partition.lost]
        if not ours:
            return []
        await self.hand_over([ours[0]])
        return ours[:1]

    async def hand_over(self, numbers: list[int]) -> None:
        """Give partitions up so that nothing is lost and nothing that is recorded is sent twice."""
        handed = [self.partitions[n] for n in numbers]
        for partition in handed:
            partition.reading_stopped = True
        await self._grace(handed)
        for partition in handed:
            self._record_rest(partition)
        failures: list[RedisError] = []
        for partition in handed:
            await self._flush(partition)
            try:
                await self._release(partition)
            except RedisError as error:
                partition.lost = True
                failures.append(error)
        if failures:
            raise failures[0]

    async def _flush(self, partition: Partition) -> None:
        """Settle what waits; a partition that cannot be settled must not keep the others from their beats."""
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self._settler.flush(partition)
        except TimeoutError:
            logger.error("partition.not_settled", extra={"partition": partition.number})  # noqa: TRY400 - no trace needed
            partition.lost = True

    async def _release(self, partition: Partition) -> None:
        if partition.lost:
            return
        partition.released = True
        await leases.release(self._redis, partition.keys, partition.token)
        self.partitions.pop(partition.number, None)
        self._seen_leases.pop(partition.number, None)
        self._settler.retiring.append(partition)
        logger.info("partition.released", extra={"partition": partition.number})

    async def _grace(self, handed: list[Partition]) -> None:
        until = self._clock.monotonic() + GRACE_SECONDS
        while self._clock.monotonic() < until and any(d.running for p in handed for d in p.in_hand.values()):
            await self._clock.sleep(0.02)

    def _record_rest(self, partition: Partition) -> None:
        self._attempts.lanes.take_partition(partition.number)
        partition.chains.forget_parked()
        now_ms = self._time.now_ms()
        for delivery in list(partition.in_hand.values()):
            if delivery.running:
                # its order is removed with this: the attempt that it asked for is under way
                not_before = now_ms + self._attempts.longest_seconds(delivery.endpoint) * 1_000
                after = outcome.handed_over(delivery.old, delivery.kind, delivery.run, now_ms, not_before)
                partition.transition(delivery, after)
            elif delivery.progress is not None:
                self._holds.put_off(delivery)
            else:
                partition.in_hand.pop(delivery.key)

    async def _take_ours(self) -> list[int]:
        others = [n for n in self.owners if n not in self.partitions]
        taken: list[int] = []
        if not others:
            return taken
        now = self._clock.monotonic()
        found = await leases.peek(self._redis, [self._all[n] for n in others])
        for number, lease in zip(others, found, strict=True):
            seen = self._seen_leases.get(number)
            if seen is None or seen.value != lease:
                self._seen_leases[number] = seen = _Seen(lease, now)
            if self.owners[number] != self.member:
                continue
            free = lease.owner in ("", self.member) or not lease.token
            if (free or now - seen.since > leases.LEASE_SECONDS) and await self._take(number, lease):
                taken.append(number)
        return taken

    async def _take(self, number: int, lease: leases.Lease) -> bool:
        partition_keys = self._all[number]
        asked = self._clock.monotonic()
        taken = await leases.take(self._redis, partition_keys, self.member, lease)
        if taken is None:
            return False
        if not self.partitions:
            self._beat_sent = asked
        self._taking = [(partition_keys, taken.token)]
        try:
            if await rebuild.differs(self._redis, partition_keys):
                placed = await rebuild.rebuild(self._redis, partition_keys, taken.token, self._beat)
                logger.error("places.rebuilt", extra={"partition": number, "placed": placed})
            recorded = await deliveries.recorded_between(self._redis, partition_keys, taken.mark, taken.top)
            lanes = await schedule.lane_sizes(self._redis, partition_keys)
            chains = await schedule.chain_sizes(self._redis, partition_keys)
        except rebuild.LeaseLost:
            return False
        finally:
            self._taking = []
        abandoned = bool(lease.owner and lease.token)
        found = Found(recorded, lanes, chains, asked if abandoned else None, self._time.now_ms())
        partition = Partition(partition_keys, taken, found, self._settler.wake, self.is_fresh)
        self._seen_leases.pop(number, None)
        self.partitions[number] = partition
        logger.info("partition.taken", extra={"partition": number, "mark": taken.mark})
        self._on_taken(partition)
        return True

    async def leave(self) -> None:
        """Hand everything over and strike ourselves off the list."""
        await self.hand_over([n for n, p in self.partitions.items() if not p.lost])
        await self._members.leave(self.member)
