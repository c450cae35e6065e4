"""Settles finished attempts: one script per partition, all partitions in one round trip, and so one fsync.

Batches form by themselves while a round trip is under way; at low load a flush comes `FLUSH_SECONDS` after the first
transition. A call whose answer is unknown is sent again as it was, for as long as the partition is ours.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.partition import BATCH_ITEMS, Partition
from gateway.clock import Clock
from gateway.store import deliveries, scripts

FLUSH_SECONDS = 0.002
RETRY_SECONDS = 0.1
logger = logging.getLogger("dispatcher.settler")
_Call = tuple[scripts.Script, Sequence[str], Sequence[scripts.Argument]]


class Report(NamedTuple):
    """How many calls were answered, and how many have to be sent again."""

    answered: int
    failed: int


class Settler:
    """The one writer of records in this process."""

    def __init__(self, redis: Redis, clock: Clock, partitions: Mapping[int, Partition]) -> None:
        self._redis, self._clock, self._partitions = redis, clock, partitions
        self._wake = asyncio.Event()
        self.retiring: list[Partition] = []
        self.settled = asyncio.Event()

    def wake(self) -> None:
        """Something is ready to be settled."""
        self._wake.set()

    def _ready(self) -> list[Partition]:
        self.retiring = [p for p in self.retiring if not p.lost and (p.has_work() or p.in_hand)]
        owned = [*self._partitions.values(), *self.retiring]
        return [p for p in owned if p.has_work() and not p.lost]

    async def run(self) -> None:
        """Settle for ever."""
        while True:
            await self._wake.wait()
            if sum(p.queued for p in self._partitions.values()) < BATCH_ITEMS:
                await self._clock.sleep(FLUSH_SECONDS)
            self._wake.clear()
            report = await self.run_once()
            if report.failed:
                await self._clock.sleep(RETRY_SECONDS)
            if report.failed or any(self._ready()):
                self._wake.set()

    async def run_once(self) -> Report:
        """One round trip with what is ready. Never raises: without this loop nothing would ever be recorded."""
        ready = [(partition, call) for partition in self._ready() if (call := _call(partition)) is not None]
        if not ready:
            return Report(0, 0)
        try:
            answers = await scripts.run_all(self._redis, [call for _, call in ready])
        except Exception as error:  # noqa: BLE001 - whatever the store says, the calls stay and are sent again
            logger.warning("settle.unanswered", extra={"error": repr(error)})
            return Report(0, len(ready))
        failed = 0
        for (partition, _), answer in zip(ready, answers, strict=True):
            if isinstance(answer, BaseException):
                logger.warning("settle.refused", extra={"partition": partition.number, "error": repr(answer)})
                failed += 1
            else:
                partition.settled(deliveries.Settled(answer[0].decode(), answer[1].decode()))
        self.settled.set()
        return Report(len(ready) - failed, failed)

    async def flush(self, partition: Partition) -> None:
        """Wait until a partition has nothing left to settle, or is lost."""
        while partition.has_work() and not partition.lost:
            self.settled.clear()
            self.wake()
            try:
                async with asyncio.timeout(1.0):
                    await self.settled.wait()
            except TimeoutError:
                continue


def _call(partition: Partition) -> _Call | None:
    """What to send; a partition whose changes cannot be told is given up, and read again from its mark."""
    try:
        return partition.call().call
    except Exception:
        logger.exception("settle.impossible", extra={"partition": partition.number})
        partition.lost = True
        return None
