"""Runs retention for the owned partitions: by age, and early when memory runs short."""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from dispatcher.attempts import StoreTime
from dispatcher.partition import Partition
from gateway.store import durability, keys, retention

TURN_SECONDS = 1.0
SHORT_TURN_SECONDS = 0.05
WATCHED_SHARE = 0.70
EARLY_SHARE = 0.80
FULL_SHARE = 0.90
PAGES_PER_TURN = 16
EARLY_ROUNDS = 16
logger = logging.getLogger("dispatcher.retention")


class Report(NamedTuple):
    """How many events left: by age, early, and out of what was kept."""

    aged: int
    early: int
    kept: int


class Retention:
    """A bounded number of pages each turn; one turn per second, many while memory is nearly short."""

    def __init__(
        self,
        redis: Redis,
        time: StoreTime,
        all_partitions: list[keys.PartitionKeys],
        owned: Mapping[int, Partition],
        retention_seconds: int,
    ) -> None:
        self._redis, self._time, self._all, self._owned = redis, time, all_partitions, owned
        self._age_ms = retention_seconds * 1_000
        self._cursors: dict[int, int] = {}
        self._share = 0.0

    @property
    def pause_seconds(self) -> float:
        """How long until the next turn: a burst can fill the last tenth of a small store within a second."""
        return SHORT_TURN_SECONDS if self._share >= WATCHED_SHARE else TURN_SECONDS

    @property
    def is_full(self) -> bool:
        """Whether memory is so short that nothing may grow that does not have to."""
        return self._share >= FULL_SHARE

    async def run_once(self) -> Report:
        """Trim what is due, all partitions at once. Raises redis errors; what was not trimmed is trimmed later."""
        self._share = (await durability.memory(self._redis)).share
        owned = [p for p in self._owned.values() if not (p.lost or p.released)]
        turns = await asyncio.gather(*(self._turn(partition) for partition in owned))
        report = Report(*(sum(turn[at] for turn in turns) for at in range(3)))
        if report.early:
            logger.warning("events.trimmed_early", extra={"events": report.early, "why": "memory above 80 percent"})
        return report

    async def _turn(self, partition: Partition) -> Report:
        now_ms = self._time.now_ms()
        before_ms = now_ms - self._age_ms
        if self._share >= EARLY_SHARE:
            early = await self._trim_early(partition, now_ms)
            return Report(0, early, await self._trim_kept(partition, now_ms))
        aged = await self._trim(partition, retention.Cut(before_ms, early=False))
        kept = await self._trim_kept(partition, before_ms)
        await retention.release_claims(self._redis, self._all, partition.number)
        await retention.fold(self._redis, partition.keys, partition.token, before_ms)
        return Report(aged, 0, kept)

    async def _trim(self, partition: Partition, cut: retention.Cut) -> int:
        total = 0
        for _ in range(PAGES_PER_TURN):
            left = await retention.trim(
                self._redis, partition.keys, len(self._all), partition.token, cut, partition.in_hand
            )
            total += left
            # not only a page that is short for want of events: one of large events is short, too
            if left == 0:
                break
        return total

    async def _trim_kept(self, partition: Partition, before_ms: int) -> int:
        """Go on where the last turn ended: all of them are seen, a page at a time."""
        found = await retention.trim_kept(
            self._redis, partition.keys, len(self._all), partition.token, before_ms, partition.in_hand,
            self._cursors.get(partition.number, 0),
        )  # fmt: skip
        self._cursors[partition.number] = found.cursor
        return found.left

    async def _trim_early(self, partition: Partition, now_ms: int) -> int:
        total = 0
        for _ in range(EARLY_ROUNDS):
            left = await self._trim(partition, retention.Cut(now_ms, early=True))
            total += left
            if left == 0 or (await durability.memory(self._redis)).share < EARLY_SHARE:
                break
        return total
