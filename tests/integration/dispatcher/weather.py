"""Three dispatchers in this process, and everything that may happen to them, their endpoints and their receiver.

A crew whose clocks a test moves: `pass_time` moves all of them, and waits for the beats of those that live, so that
nobody loses a lease but those that were killed, or frozen, as SIGSTOP does it: a frozen dispatcher's loops stop where
they next wait, its clock goes on, and what it had under way ends as if it were still there.
"""

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Any

from dispatcher.process import Dispatcher
from gateway import ids
from gateway.model.endpoint import Endpoint
from gateway.model.event import NewEvent
from gateway.store import log, scripts, work
from tests.integration.dispatcher.clock import JumpClock
from tests.integration.dispatcher.receiver import Received, Receiver
from tests.integration.dispatcher.rig import Rig
from tests.support.waiting import until

KEYS = 300
CREW = 3
STEP_SECONDS = 2.0
PATIENCE = 30.0
CLEAR_UP_SECONDS = 120.0
TYPES = ("order.block", "order.skip", "order.flow", "order.plain")


@dataclasses.dataclass(frozen=True, slots=True)
class Arrival:
    """One request, in the order in which requests came; `aside`: outside live order, as its header says."""

    name: str
    id: str
    sequence: int
    aside: bool
    status: int


class Moody(Receiver):
    """Fails, dawdles and drops answers at random; `down` are names that answer 503."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random
        self.failing, self.dropping = 0.05, 0.003
        self.down: set[str] = set()
        self.arrivals: list[Arrival] = []

    def take(self, transport: asyncio.Transport, received: Received) -> None:
        name, chance = received.name, self._random.random()
        status = 503 if name in self.down else 500 if chance < self.failing else 200
        headers = received.headers
        sequence = int(headers.get("webhook-sequence", 0))
        self.arrivals.append(Arrival(name, received.id, sequence, "webhook-trigger" in headers, status))
        if chance > 1 - self.dropping:
            transport.abort()
            return
        delay = self._random.choice((0.0,) * 15 + (0.005, 0.01, 0.02, 0.05, 0.1))
        answer = b"HTTP/1.1 %d So\r\ncontent-length: 0\r\n\r\n" % status
        asyncio.get_running_loop().call_later(delay, transport.write, answer)


class FreezeClock(JumpClock):
    """A clock whose sleepers do not wake while it is frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.thawed = asyncio.Event()
        self.thawed.set()

    async def sleep(self, seconds: float) -> None:
        await super().sleep(seconds)
        await self.thawed.wait()


class Weather:
    """What happens; `doubtful` are deliveries that may rightly be delivered twice."""

    def __init__(self, rig: Rig, moody: Moody, random: Random, endpoints: dict[str, Endpoint]) -> None:
        self.rig, self.moody, self.random, self.endpoints = rig, moody, random, endpoints
        self.crew: dict[Dispatcher, FreezeClock] = {}
        self.frozen: dict[Dispatcher, FreezeClock] = {}
        self.events: list[tuple[ids.Address, str, str]] = []
        self.doubtful: set[ids.DeliveryKey] = set()
        self.happened: list[str] = []
        self.off_until_ms = 0

    async def join(self) -> None:
        """One more dispatcher."""
        clock = FreezeClock()
        self.crew[await self.rig.dispatch(clock)] = clock

    async def publish(self, count: int) -> None:
        """So many events, each of a random key and type."""
        batches: dict[int, list[tuple[str, str]]] = {}
        partitions = self.rig.partitions
        for _ in range(count):
            key, event_type = f"key/{self.random.randrange(KEYS)}", self.random.choice(TYPES)
            batches.setdefault(ids.partition_of(key, len(partitions)), []).append((key, event_type))
        new = [[NewEvent("/t", kind, b'{"n":1}', subject=key) for key, kind in batch] for batch in batches.values()]
        appends = [log.Append(partitions[number], events) for number, events in zip(batches, new, strict=True)]
        answers = await scripts.run_all(self.rig.redis, [append.call for append in appends])
        for append, answer, batch in zip(appends, answers, batches.values(), strict=True):
            for appended, (key, kind) in zip(append.read(answer), batch, strict=True):
                assert appended.address is not None
                self.events.append((appended.address, key, kind))

    async def pass_time(self, seconds: float) -> None:
        """Move every clock; who is not frozen beats in between."""
        for _ in range(max(1, round(seconds / STEP_SECONDS))):
            beats = {member: member.membership._beat_sent for member in self.crew}
            for clock in (*self.crew.values(), *self.frozen.values()):
                clock.jump(STEP_SECONDS)
            await until(partial(_beaten, beats), PATIENCE, "a beat of everybody")

    def _one(self) -> Dispatcher:
        return self.random.choice(list(self.crew))

    def _doubt(self, member: Dispatcher) -> None:
        for partition in member.partitions.values():
            self.doubtful |= set(partition.in_hand)

    async def kill(self) -> None:
        """One dies; the others take over after the lease time; another one comes."""
        victim = self._one()
        del self.crew[victim]
        self.rig.dispatchers.remove(victim)
        await victim.end()
        self._doubt(victim)
        if self.random.random() < 0.5:
            await self.join()
        await self.publish(self.random.randrange(60))
        await self.pass_time(12)
        while len(self.crew) < CREW:
            await self.join()

    async def leave(self) -> None:
        """One hands everything over and ends; another one comes, before or after."""
        leaving = self._one()
        if self.random.random() < 0.5:
            await self.join()
        del self.crew[leaving]
        self.rig.dispatchers.remove(leaving)
        await asyncio.gather(leaving.stop(), self.publish(self.random.randrange(60)))
        while len(self.crew) < CREW:
            await self.join()

    async def freeze(self) -> None:
        """One stops past its lease, and goes on."""
        member = self._one()
        clock = self.frozen[member] = self.crew.pop(member)
        self._doubt(member)
        clock.thawed.clear()
        await self.publish(self.random.randrange(60))
        await self.pass_time(14)
        self._doubt(member)
        self.crew[member] = self.frozen.pop(member)
        clock.thawed.set()

    async def pause(self) -> None:
        """An endpoint is paused and resumed; what it gets meanwhile is held."""
        endpoint = self.random.choice(list(self.endpoints.values()))
        await self.rig.change(endpoint, status="paused")
        await self.publish(self.random.randrange(200))
        await self.pass_time(self.random.choice((2, 4)))
        await self.rig.change(endpoint, status="enabled")

    async def switch(self) -> None:
        """An endpoint is off for a while; it does not match meanwhile, and a replay brings some of what it missed."""
        endpoint = self.endpoints["flow"]
        await self.rig.switch(endpoint, "disabled")
        await self.publish(self.random.randrange(200))
        await self.pass_time(2)
        await self.rig.switch(endpoint, "enabled")
        self.off_until_ms = max(address.ms for address, _, _ in self.events)
        missed = [address for address, _, kind in self.events[-300:] if kind == "order.flow"]
        for address in self.random.sample(missed, min(5, len(missed))):
            await self.rig.order(address, endpoint, work.Kind.FILL, run=1)

    async def outage(self) -> None:
        """A name answers 503 for a while: its breaker opens."""
        name = self.random.choice(list(self.endpoints))
        self.moody.down.add(name)
        await self.publish(self.random.randrange(200))
        await self.pass_time(self.random.choice((2, 4)))
        self.moody.down.discard(name)

    async def by_hand(self) -> None:
        """People send some again, whatever their state is."""
        for address, _, kind in self.random.sample(self.events, min(8, len(self.events))):
            endpoint = self.endpoints[self.random.choice(["block", kind.partition(".")[2]])]
            kinds = (work.Kind.MANUAL, work.Kind.MANUAL_RETRY)
            await self.rig.order(address, endpoint, self.random.choice(kinds))

    async def calm(self) -> None:
        """Only time passes."""
        await self.pass_time(2)

    async def happen(self, what: str, size: int) -> None:
        """Events come, something happens, and some of it is dealt with."""
        self.happened.append(what)
        await self.publish(size)
        seen, started = len(self.moody.arrivals), asyncio.get_running_loop().time()
        happening: Callable[[], Awaitable[None]] = getattr(self, what)
        await happening()

        def enough() -> bool:
            return len(self.moody.arrivals) - seen > size or asyncio.get_running_loop().time() - started > 0.5

        await until(enough, PATIENCE, "some of it")

    async def clear_up(self) -> None:
        """Nothing happens any more: everything comes to its end."""
        self.moody.failing = self.moody.dropping = 0.0
        ends_at = asyncio.get_running_loop().time() + CLEAR_UP_SECONDS
        while asyncio.get_running_loop().time() < ends_at:
            if await self.rig.done() and await work.outstanding(self.rig.redis, self.rig.partitions) == 0:
                return
            await self.pass_time(2)
            before = len(self.moody.arrivals)
            await until(partial(self._quiet, before), PATIENCE, "quiet")
        raise AssertionError(await self.open_ones())

    def _quiet(self, before: int) -> bool:
        return len(self.moody.arrivals) != before or all(m.attempts.running == 0 for m in self.crew)

    async def open_ones(self) -> list[Any]:
        """What is not at its end, for the text of a failure."""
        found: list[Any] = []
        for partition in self.rig.partitions:
            rows: Any = await self.rig.redis.zrange(partition.open, 0, 4)
            for row in rows:
                key = ids.unpack_key(row, partition.number)
                found.append((key, await self.rig.record(key.address, key.endpoint, key.run)))
        return found


def _beaten(before: dict[Dispatcher, float]) -> bool:
    return all(member.membership._beat_sent > at for member, at in before.items())
