"""Group commit: the events that arrive while a flush is under way make the next one.

    begin -> queue -> claims (given id with an ordering key; one round trip) -> appends, one script per partition, all
    in one round trip, one fsync -> whoever waits is told

An event with an ordering key goes to that key's partition, one with only a given id to that id's; the others of a flush
go together to one partition, another one for each flush, since a script for many costs less than many scripts.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence

from redis import exceptions
from redis.asyncio import Redis

from gateway import ids
from gateway.model.event import DIGEST_BYTES, NewEvent
from gateway.problems import Problem
from gateway.store import keys, log, scripts

QUEUE_EVENTS = 8_192
QUEUE_BYTES = 64 * 1_048_576
FLUSH_EVENTS = 1_024
FLUSH_BYTES = 4 * 1_048_576
_ANY = -1


logger = logging.getLogger("hookline.gateway")
Result = log.Appended | BaseException
"""What became of an event; an error means that it is not known."""
Tell = Callable[[int, Result], None]
"""Called once, with the index that was given."""


class _Waiting:
    __slots__ = ("event", "header", "index", "target", "tell")

    def __init__(self, event: NewEvent, target: int, tell: Tell, index: int) -> None:
        self.event = event
        self.header = event.header()
        self.target = target
        self.tell: Tell | None = tell
        self.index = index


class GroupCommit:
    """The one writer of events in this process; `run` must be running."""

    def __init__(self, redis: Redis, partitions: Sequence[keys.PartitionKeys]) -> None:
        self._redis, self._partitions = redis, partitions
        self._queue: list[_Waiting] = []
        self._bytes = 0
        self._wake = asyncio.Event()
        self._turn = itertools.cycle(range(len(partitions)))

    def begin(self, event: NewEvent, tell: Tell, index: int = 0) -> None:
        """Queue an event; `tell` gets its outcome with the index. It must not raise, and may be called at any moment.

        Raises Problem `overloaded` when too much waits already.
        """
        if len(self._queue) >= QUEUE_EVENTS or self._bytes >= QUEUE_BYTES:
            raise Problem("overloaded", f"{len(self._queue)} events wait for the store")
        named = event.ordering_key or event.id
        target = ids.partition_of(named, len(self._partitions)) if named else _ANY
        self._queue.append(_Waiting(event, target, tell, index))
        self._bytes += len(event.data)
        if not self._wake.is_set():
            self._wake.set()

    def submit(self, event: NewEvent) -> asyncio.Future[log.Appended]:
        """The same with a future, which has the outcome, or the store's error when the outcome is not known."""
        done: asyncio.Future[log.Appended] = asyncio.get_running_loop().create_future()

        def tell(_index: int, result: Result) -> None:
            if done.done():
                return
            if isinstance(result, BaseException):
                done.set_exception(result)
            else:
                done.set_result(result)

        self.begin(event, tell)
        return done

    async def run(self) -> None:
        """Flush for ever, one flush at a time: few large ones cost less than many that overlap."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                await self.run_once()

    async def run_once(self) -> int:
        """One flush of what waits; how many events."""
        batch = self._take()
        try:
            ready = await self._claim(batch)
            await self._append(ready)
        except Exception as error:  # noqa: BLE001 - whoever waits must be told, whatever it was
            for waiting in batch:
                _answer(waiting, error)
        except asyncio.CancelledError:
            for waiting in batch:
                _answer(waiting, exceptions.ConnectionError("the gateway ended before the store answered"))
            raise
        return len(batch)

    def _take(self) -> list[_Waiting]:
        size = 0
        for count, waiting in enumerate(self._queue, 1):
            size += len(waiting.event.data)
            if count >= FLUSH_EVENTS or size >= FLUSH_BYTES:
                break
        else:
            count = len(self._queue)
        batch, self._queue = self._queue[:count], self._queue[count:]
        self._bytes -= size
        return batch

    async def _claim(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Claim the ids that need it; what is in conflict is answered here, the rest goes on."""
        wanted = [w for w in batch if w.event.id and w.event.ordering_key and self._home(w.event) != w.target]
        if not wanted:
            return batch
        held = {id(waiting) for waiting in await self._hold(wanted)}
        refused = {id(waiting) for waiting in wanted} - held
        for waiting in wanted:
            if id(waiting) in refused:
                _answer(waiting, log.Appended(log.Outcome.CONFLICT, None))
        return [waiting for waiting in batch if id(waiting) not in refused]

    async def _hold(self, wanted: list[_Waiting]) -> list[_Waiting]:
        """Those whose id is claimed for them now; an old claim of another event that was never appended yields.

        A gateway that died between claim and append leaves one. Three round trips at most, whatever their number.
        """
        claims = await self._run_claims(wanted)
        held = [waiting for waiting, claim in claims if claim.same_digest]
        others = [(waiting, claim.partition) for waiting, claim in claims if not claim.same_digest]
        names = [(waiting, self._partitions[number].ids) for waiting, number in others if number is not None]
        if not names:
            return held
        pipeline = self._redis.pipeline(transaction=False)
        for waiting, name in names:
            pipeline.hexists(name, waiting.event.id)
        appended = await pipeline.execute()
        free = [waiting for (waiting, _), found in zip(names, appended, strict=True) if not found]
        return held + [waiting for waiting, claim in await self._run_claims(free, take_over=True) if claim.same_digest]

    async def _run_claims(self, wanted: list[_Waiting], *, take_over: bool = False) -> list[tuple[_Waiting, log.Claim]]:
        """Claim ids for the partitions of their events; the ones whose claim failed are told so and left out."""
        by_home: dict[int, list[_Waiting]] = {}
        for waiting in wanted:
            by_home.setdefault(self._home(waiting.event), []).append(waiting)
        parts = [(self._partitions[home], part) for home, group in by_home.items() for part in _parts(group)]
        calls = [log.claim_call(home, _claims_of(part), take_over=take_over) for home, part in parts]
        claims: list[tuple[_Waiting, log.Claim]] = []
        for (_, part), answer in zip(parts, await scripts.run_all(self._redis, calls), strict=True):
            if isinstance(answer, BaseException):
                for waiting in part:
                    _answer(waiting, answer)
            else:
                claims += zip(part, log.read_claims(answer), strict=True)
        return claims

    async def _append(self, batch: list[_Waiting]) -> None:
        """Append. What a claim alone stands against, in the id's own partition, is tried again if the claim yields."""
        refused = await self._append_once(batch)
        if not refused:
            return
        await self._append_once(await self._hold(refused))
        for waiting in refused:
            _answer(waiting, log.Appended(log.Outcome.CONFLICT, None))

    async def _append_once(self, batch: list[_Waiting]) -> list[_Waiting]:
        """Append and answer; those that are refused without an address, so for a claim, are left to the caller."""
        calls = [
            (log.Append(self._partitions[number], [w.event for w in part], [w.header for w in part]), part)
            for number, group in self._by_partition(batch).items()
            for part in _parts(group)
        ]
        refused = []
        answers = await scripts.run_all(self._redis, [append.call for append, _ in calls])
        for (append, part), answer in zip(calls, answers, strict=True):
            if isinstance(answer, BaseException):
                for waiting in part:
                    _answer(waiting, answer)
                continue
            for waiting, appended in zip(part, append.read(answer), strict=True):
                if appended.address is None:
                    refused.append(waiting)
                else:
                    _answer(waiting, appended)
        return refused

    def _by_partition(self, batch: list[_Waiting]) -> dict[int, list[_Waiting]]:
        free = next(self._turn)
        groups: dict[int, list[_Waiting]] = {}
        for waiting in batch:
            groups.setdefault(free if waiting.target == _ANY else waiting.target, []).append(waiting)
        return groups

    def _home(self, event: NewEvent) -> int:
        return ids.partition_of(event.id, len(self._partitions))


def _claims_of(part: list[_Waiting]) -> list[tuple[str, int, bytes]]:
    return [(waiting.event.id, waiting.target, waiting.header[:DIGEST_BYTES]) for waiting in part]


def _answer(waiting: _Waiting, result: Result) -> None:
    """Tell whoever waits, once."""
    tell, waiting.tell = waiting.tell, None
    if tell is None:
        return
    try:
        tell(waiting.index, result)
    except Exception:
        logger.exception("answer.failed")


def _parts(group: list[_Waiting]) -> list[list[_Waiting]]:
    """Pieces that one script takes: 256 events, 512 KB."""
    parts: list[list[_Waiting]] = [[]]
    size = 0
    for waiting in group:
        size += len(waiting.event.data)
        if parts[-1] and (len(parts[-1]) >= log.MAX_ITEMS or size > log.MAX_BYTES):
            parts.append([])
            size = len(waiting.event.data)
        parts[-1].append(waiting)
    return parts
