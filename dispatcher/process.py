"""The dispatcher process: makes the parts, runs their loops for ever, stops without losing or repeating anything.

Each loop is a `run_once` that is called again; an error of the store is logged, waited out and tried again, for ever.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from dispatcher import membership, operational, retention, retries
from dispatcher.attempts import Attempts
from dispatcher.delivery import Delivery
from dispatcher.health import REPORT_SECONDS, HealthNotes, HealthReporter
from dispatcher.outcome import error_of
from dispatcher.partition import Partition
from dispatcher.reader import Reader
from dispatcher.registry_view import RegistryView
from dispatcher.sender import Answered, Limits, Result, Sender
from dispatcher.settler import Settler
from dispatcher.store_time import StoreTime
from gateway.clock import Clock, system_random
from gateway.egress import Egress
from gateway.model.endpoint import LastFailure
from gateway.settings import Settings
from gateway.store import connection, durability, keys
from gateway.store.health import HealthStore
from gateway.store.members import Members
from gateway.store.registry import Registry
from gateway.store.vault import Vault

RETRY_SECONDS = 0.5
logger = logging.getLogger("dispatcher.process")


class Dispatcher:
    """One process's worth of dispatching; made inside a running event loop."""

    def __init__(self, settings: Settings, url: str, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self.member = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._redis, self._reading = connection.connect(url), connection.connect(url)
        self.partitions: dict[int, Partition] = {}
        self._switched_off: set[int] = set()
        self._registry = Registry(self._redis, clock)
        self._egress = Egress(settings.egress_allow, clock)
        self._time = StoreTime(clock)
        self.view = RegistryView(
            self._registry, Vault.from_settings(settings, settings.data), self._egress, self._switched_off.add
        )
        limits = Limits(success_body_bytes=settings.success_body_bytes, failure_body_bytes=settings.failure_body_bytes)
        self._sender = Sender(self._egress, clock, ca_file=settings.ca_file, limits=limits)
        self._notes = HealthNotes(clock)
        self.attempts = Attempts(
            settings, clock, system_random(), self._time, self.view, self._sender, self._notes, self._disable
        )
        self.settler = Settler(self._redis, clock, self.partitions)
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()

    async def start(self) -> None:
        """Wait for the store, load the registry, and begin the loops."""
        await self._until_done(self._prepare)
        count = self.settings.partition_count
        all_partitions = [keys.PartitionKeys(number, count) for number in range(count)]
        self.retries = retries.Retries(self._redis, self._clock, self._time, self.view, self.attempts, self.partitions)
        self.membership = membership.Membership(
            self.member, self._redis, self._clock, self._time, Members(self._redis), all_partitions,
            self.settler, self.attempts, self.partitions, self.settings.deadline_seconds, self._taken,
        )  # fmt: skip
        reader = Reader(
            self._reading, self.view, self.attempts, self.partitions, self._time, self.settings.memory_budget_bytes
        )
        self._reader = reader
        speaker = operational.Operational(
            self._redis, self._clock, self._registry, self.view, all_partitions, self.partitions
        )
        reporter = HealthReporter(self._notes, HealthStore(self._redis), self.settings.disable_after)
        keeper = retention.Retention(self._redis, self._time, all_partitions, self.partitions, self.settings.retention)
        self._begin("membership", self.membership.run_once, membership.TURN_SECONDS)
        self._begin("reader", reader.run_once, 0.0)
        self._begin("retries", self._retry_once, 0.0)
        self._begin("operational", speaker.run_once, operational.TURN_SECONDS)
        self._begin("health", lambda: self._report(reporter), REPORT_SECONDS)
        self._begin("retention", keeper.run_once, retention.TURN_SECONDS)
        self._tasks.append(asyncio.create_task(self.settler.run(), name="settler"))
        logger.info("dispatcher.started", extra={"member": self.member, "partitions": count})

    async def _prepare(self) -> None:
        await durability.require(self._redis, self.settings.accept_data_loss)
        await self._registry.bootstrap(self.settings.partition_count)
        await self._time.sample(self._redis)
        await self.view.load()

    async def _until_done(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
            except RedisError as error:
                logger.warning("store.unavailable", extra={"error": repr(error)})
                await self._clock.sleep(RETRY_SECONDS)
            else:
                return

    def _begin(self, name: str, run_once: Callable[[], Awaitable[object]], pause_seconds: float) -> None:
        self._tasks.append(asyncio.create_task(self._loop(name, run_once, pause_seconds), name=name))

    async def _loop(self, name: str, run_once: Callable[[], Awaitable[object]], pause_seconds: float) -> None:
        while True:
            try:
                await run_once()
            except (RedisError, OSError) as error:
                logger.warning("loop.interrupted", extra={"loop": name, "error": repr(error)})
                await self._clock.sleep(RETRY_SECONDS)
            except Exception:
                logger.exception("loop.failed", extra={"loop": name})
                await self._clock.sleep(RETRY_SECONDS)
            else:
                await self._clock.sleep(pause_seconds)

    async def _retry_once(self) -> None:
        report = await self.retries.run_once()
        if self._switched_off:
            numbers = list(self._switched_off)
            self._switched_off.difference_update(numbers)
            await self._sweep(numbers)
        if report.loaded + report.due + report.ordered == 0:
            await self._clock.sleep(retries.TICK_SECONDS)

    async def _sweep(self, numbers: list[int]) -> None:
        for number in numbers:
            reason = self.view.off_reason(number)
            if reason is not None:
                self.attempts.skip_waiting(number, reason)
        for partition in list(self.partitions.values()):
            await self.retries.sweep(partition)

    async def _taken(self, partition: Partition) -> None:
        await self.retries.sweep(partition)
        self._reader.changed.set()

    async def _report(self, reporter: HealthReporter) -> None:
        names = {number: endpoint.id for number in self._notes.numbers if (endpoint := self.view.endpoint(number))}
        for name in await reporter.run_once(names, self._time.now_ms()):
            logger.warning("endpoint.disabled", extra={"endpoint": name, "reason": "failing"})

    async def _disable(self, delivery: Delivery, result: Result) -> None:
        endpoint = self.view.endpoint(delivery.endpoint)
        if endpoint is None:
            return
        status = result.status if isinstance(result, Answered) else None
        now_ms = self._time.now_ms()
        last = LastFailure(now_ms, error_of(result).name.lower(), status, delivery.key.delivery_id)

        async def disable() -> None:
            await self._registry.disable(endpoint.id, "gone", now_ms, last)

        await self._until_done(disable)
        logger.warning("endpoint.disabled", extra={"endpoint": endpoint.id, "reason": "gone"})

    async def stop(self) -> None:
        """Hand over, wait for what runs, settle it, end: within the deadline plus two seconds."""
        kept = {"settler"}
        for task in self._tasks:
            if task.get_name() not in kept:
                task.cancel()
        try:
            async with asyncio.timeout(self.settings.deadline_seconds + membership.GRACE_SECONDS):
                await self.membership.leave()
                await self.attempts.idle.wait()
                for partition in list(self.settler.retiring):
                    await self.settler.flush(partition)
        except (TimeoutError, RedisError) as error:
            logger.warning("stop.incomplete", extra={"error": repr(error)})
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sender.close(0.0)
        self._egress.close()
        await self._close(self._redis, self._reading)
        logger.info("dispatcher.stopped", extra={"member": self.member})

    async def _close(self, *clients: Redis) -> None:
        for client in clients:
            await client.aclose()
