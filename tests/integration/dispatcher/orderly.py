"""What must be true of a run, by what receivers saw and what the records say: nothing lost, everything in its order."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway import ids
from gateway.model import delivery as model
from gateway.model.delivery import AttemptError, Record, State
from tests.integration.dispatcher.weather import Arrival, Weather


class Seen(NamedTuple):
    """When requests of one delivery came: positions in the order of arrival."""

    live: list[int]
    good: list[int]
    all: list[int]
    aside: list[int]


class Outcome:
    """A run that has come to its end."""

    def __init__(self, weather: Weather, records: dict[ids.DeliveryKey, Record]) -> None:
        self.weather, self.records = weather, records
        self.arrivals: Sequence[Arrival] = weather.moody.arrivals
        self.seen: defaultdict[tuple[str, str], Seen] = defaultdict(lambda: Seen([], [], [], []))
        for at, arrival in enumerate(self.arrivals):
            seen = self.seen[arrival.name, arrival.id]
            seen.all.append(at)
            (seen.aside if arrival.aside else seen.live).append(at)
            if arrival.status == 200:
                seen.good.append(at)

    @classmethod
    async def read(cls, weather: Weather) -> "Outcome":
        """Take all records from the store."""
        records: dict[ids.DeliveryKey, Record] = {}
        minutes = {address.ms // ids.MINUTE_MS for address, _, _ in weather.events}
        for partition in weather.rig.partitions:
            for minute in minutes:
                rows: Any = await weather.rig.redis.hgetall(partition.records(minute))
                for field, row in rows.items():
                    records[ids.unpack_key(field, partition.number)] = model.unpack_record(row)
        return cls(weather, records)

    def names(self, kind: str) -> set[str]:
        """The endpoints that get events of a type."""
        return {"block", kind.partition(".")[2]}

    def _record(self, address: ids.Address, name: str) -> Record | None:
        return self.records.get(ids.DeliveryKey(*address, self.weather.endpoints[name].number))

    async def check(self) -> None:
        """All of it."""
        self.check_states()
        await self.check_duplicates()
        for name, stops in (("block", True), ("flow", True), ("skip", False)):
            for line in self.lines(name):
                self.check_line(name, line, stops=stops)
                self.check_sequence(name, line)

    def check_states(self) -> None:
        """Each delivery has one record, which has ended; what it says is what its receiver saw."""
        for address, _, kind in self.weather.events:
            for name in self.names(kind):
                record = self._record(address, name)
                if record is None:
                    assert name == "flow", f"{address} for {name} was lost"
                    assert address.ms <= self.weather.off_until_ms
                    continue
                assert record.state >= State.DELIVERED, (address, name, record)
                good = self.seen[name, address.event_id].good
                assert good or record.state is not State.DELIVERED, f"{address} never came to {name}"
                assert record.state is not State.SKIPPED or name == "flow", (address, name, record)

    async def check_duplicates(self) -> None:
        """What was delivered twice was in hand of a dispatcher that died or froze, or its answer was lost."""
        extra = []
        for address, _, kind in self.weather.events:
            for name in self.names(kind):
                seen = self.seen[name, address.event_id]
                if len(seen.good) < 2 or seen.aside:
                    continue
                key = ids.DeliveryKey(*address, self.weather.endpoints[name].number)
                if key not in self.weather.doubtful and not await self._lost_an_answer(key):
                    extra.append((name, address, seen))
        assert extra == []

    async def _lost_an_answer(self, key: ids.DeliveryKey) -> bool:
        """Whether an attempt ended without an answer: the moody receiver dropped it, or time passed too quickly."""
        rig = self.weather.rig
        fields = [model.attempt_field(key.packed(), number) for number in range(1, self.records[key].attempts + 1)]
        rows: Any = await rig.redis.hmget(rig.partitions[key.partition].attempts(key.minute), fields)
        attempts = [model.unpack_attempt(row) for row in rows if row]
        return any(attempt.error not in {AttemptError.NONE, AttemptError.HTTP_STATUS} for attempt in attempts)

    def lines(self, name: str) -> list[list[ids.Address]]:
        """By ordering key the events for an endpoint that stood in line there, in the order of the log."""
        found: defaultdict[str, list[ids.Address]] = defaultdict(list)
        for address, key, kind in self.weather.events:
            if name in self.names(kind) and self._record(address, name) is not None:
                found[key].append(address)
        return [sorted(line) for line in found.values()]

    def check_line(self, name: str, line: list[ids.Address], *, stops: bool) -> None:
        """The first live attempt at each comes after every earlier one was out of the way."""
        out, by = -1, line[0]
        for address in line:
            seen = self.seen[name, address.event_id]
            # what somebody asked for stood outside of the order from then on
            first = seen.live[0] if seen.live and not (seen.aside and seen.aside[0] < seen.live[0]) else None
            if first is not None:
                assert first > out, f"{name}: {address} began at {first}, before {by} was out of the way at {out}"
            at = self._out_of_the_way(name, address, stops=stops)
            if at > out:
                out, by = at, address

    def _out_of_the_way(self, name: str, address: ids.Address, *, stops: bool) -> int:
        """The earliest moment at which it can have been recorded as that; -1 when it never was in the way."""
        record, seen = self._record(address, name), self.seen[name, address.event_id]
        if name == "flow" and seen.aside:
            # a replay brought what had not been in line at all
            return -1
        if not stops and seen.live:
            return seen.live[0]
        assert record is not None
        if record.state is State.DELIVERED or (seen.good and seen.aside):
            return seen.good[0]
        if record.state is State.DEAD and not seen.aside:
            return seen.live[record.failures - 1]
        return -1

    def check_sequence(self, name: str, line: list[ids.Address]) -> None:
        """A receiver that takes only what has a later position than the last one it took misses nothing."""
        wanted = {address.event_id for address in line}
        aside = {event_id for event_id in wanted if self.seen[name, event_id].aside}
        good = [self.arrivals[at] for event_id in wanted for at in self.seen[name, event_id].good]
        steps = {address.event_id: address.ms * 1_000_000 + address.seq for address in line}
        assert all(arrival.sequence == steps[arrival.id] for arrival in good)
        if name == "skip":
            return
        firsts = sorted((self.seen[name, event_id].good or [-1])[0] for event_id in wanted - aside)
        taken = [self.arrivals[at].sequence for at in firsts if at >= 0]
        assert taken == sorted(taken), f"{name}: {line}"
