"""The dispatcher process: makes the parts, runs their loops for ever, stops without losing or repeating anything.

Each loop is a `run_once` that is called again; an error of the store is logged, waited out and tried again, for ever.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from redis.exceptions import RedisError

from dispatcher import backlog, breakers, holds, membership, operational, probes, repair, retention, retries, sweeper
from dispatcher.attempts import Attempts
from dispatcher.delivery import Delivery
from dispatcher.filter_errors import REPORT_SECONDS as FILTER_REPORT_SECONDS
from dispatcher.filter_errors import FilterErrorNotes
from dispatcher.health import REPORT_SECONDS, HealthNotes, HealthReporter
from dispatcher.loader import Loader
from dispatcher.outcome import error_of
from dispatcher.partition import Partition
from dispatcher.reader import Reader
from dispatcher.registry_view import RegistryView
from dispatcher.sender import Answered, Limits, Result, Sender
from dispatcher.settler import Settler
from dispatcher.store_time import StoreTime
from gateway import tasks
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
STOP_SECONDS = 1.5
"""Beyond the deadline of an attempt; the promise is 2 s."""
logger = logging.getLogger("dispatcher.process")


class Loop(NamedTuple):
    """What is called for ever, and how long to wait after a turn that went well."""

    run_once: Callable[[], Awaitable[object]]
    pause_seconds: float


class Dispatcher:
    """One process's worth of dispatching; made inside a running event loop."""

    def __init__(self, settings: Settings, url: str, clock: Clock) -> None:
        self.settings, self._clock = settings, clock
        self.member = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._redis, self._reading = connection.connect(url), connection.connect(url)
        self.partitions: dict[int, Partition] = {}
        self._registry = Registry(self._redis, clock)
        self._egress = Egress(
            settings.egress_allow, clock, proxy=settings.egress_proxy, checks=settings.egress_proxy_checks
        )
        self.time = StoreTime(clock)
        random = system_random()
        self.breakers = breakers.Breakers(self._redis, self.time, random)
        self.breakers.on_change = self._note_changed
        self.filter_errors = FilterErrorNotes(self._redis, self.time.now_ms)
        self.view = RegistryView(
            self._registry, Vault.from_settings(settings, settings.data), self._egress, self._note_switched_off,
            self.breakers.reload, self._note_changed, self.filter_errors.failed,
        )  # fmt: skip
        limits = Limits(success_body_bytes=settings.success_body_bytes, failure_body_bytes=settings.failure_body_bytes)
        self._sender = Sender(self._egress, clock, ca_file=settings.ca_file, limits=limits)
        self._notes = HealthNotes(clock)
        self.attempts = Attempts(
            settings, clock, random, self.time, self.view, self._sender, self._notes, self.breakers, self._disable
        )
        self.holds = holds.Holds(self._redis, clock, self.time, self.attempts, settings, self.partitions)
        self.settler = Settler(self._redis, clock, self.partitions)
        self.sweeper = sweeper.Sweeper(self._redis, self.time, self.view, self.attempts, self.partitions)
        loader = Loader(self._redis, self.view)
        self.backlog = backlog.Backlog(
            self._redis, self.time, self.view, self.attempts, self.holds, self.breakers, loader,
            self.partitions,
        )  # fmt: skip
        self.retries = retries.Retries(
            self._redis, clock, self.time, self.view, self.attempts, self.holds, self.backlog, loader, self.partitions
        )
        self._reporter = HealthReporter(self._notes, HealthStore(self._redis), settings.disable_after)
        self._make_loops()
        self._tasks: list[asyncio.Task[None]] = []

    def _make_loops(self) -> None:
        settings, time = self.settings, self.time
        count = settings.partition_count
        every = [keys.PartitionKeys(number, count) for number in range(count)]
        self.reader = Reader(
            self._reading, self.view, self.attempts, self.partitions, self.holds, time, settings.memory_budget_bytes
        )
        self.membership = membership.Membership(
            self.member, self._redis, self._clock, time, Members(self._redis, self._clock), every,
            self.settler, self.attempts, self.holds, self.partitions, self._note_taken,
        )  # fmt: skip
        speaker = operational.Operational(
            self._redis, self._clock, self._registry, self.view, every, self.partitions,
            settings.disable_after, settings.deadline_seconds,
        )  # fmt: skip
        prober = probes.Probes(self._redis, self._clock, time, self.view, every, self.partitions)
        self.attempts.on_recovered = prober.recovered
        self.keeper = retention.Retention(self._redis, time, every, self.partitions, settings.retention)
        mender = repair.Repair(self._redis, self.partitions)
        self.loops = {
            "membership": Loop(self.membership.run_once, membership.TURN_SECONDS),
            "reader": Loop(self.reader.run_once, 0.0),
            "retries": Loop(self._retry_once, 0.0),
            "holds": Loop(self.holds.run_once, holds.TURN_SECONDS),
            "breakers": Loop(self._probe_once, breakers.TURN_SECONDS),
            "sweeper": Loop(self.sweeper.run_once, sweeper.TURN_SECONDS),
            "operational": Loop(speaker.run_once, operational.TURN_SECONDS),
            "probes": Loop(prober.run_once, probes.TURN_SECONDS),
            "health": Loop(self._report, REPORT_SECONDS),
            "filter errors": Loop(self.filter_errors.run_once, FILTER_REPORT_SECONDS),
            "retention": Loop(self._keep_once, 0.0),
            "repair": Loop(mender.run_once, repair.TURN_SECONDS),
        }

    async def start(self) -> None:
        """Wait for the store, load the registry, and begin the loops."""
        await self.prepare()
        for name, loop in self.loops.items():
            self._tasks.append(asyncio.create_task(self._run(name, loop), name=name))
        self._tasks.append(asyncio.create_task(self.settler.run(), name="settler"))
        logger.info("egress.chosen", extra={"how": self._egress.described()})
        logger.info("dispatcher.started", extra={"member": self.member, "partitions": self.settings.partition_count})

    async def prepare(self) -> None:
        """Wait for the store and load the registry; the loops may then run. Raises StoreError if it is refused."""
        await self._until_done(self._prepare)

    async def _prepare(self) -> None:
        await durability.require(self._redis, self.settings.accept_data_loss)
        await self._registry.bootstrap(self.settings.partition_count)
        await self.time.sample(self._redis)
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

    async def _run(self, name: str, loop: Loop) -> None:
        while True:
            try:
                await loop.run_once()
            except (RedisError, OSError) as error:
                logger.warning("loop.interrupted", extra={"loop": name, "error": repr(error)})
                await self._clock.sleep(RETRY_SECONDS)
            except Exception:
                logger.exception("loop.failed", extra={"loop": name})
                await self._clock.sleep(RETRY_SECONDS)
            else:
                await self._clock.sleep(loop.pause_seconds)

    async def _keep_once(self) -> None:
        await self.keeper.run_once()
        self.attempts.frugal = self.keeper.is_full
        await self._clock.sleep(self.keeper.pause_seconds)

    async def _retry_once(self) -> None:
        await self.retries.pause(await self.retries.run_once())

    async def _probe_once(self) -> int:
        return await self.breakers.run_once(self.backlog.probe_ms)

    def _note_taken(self, partition: Partition) -> None:
        partition.on_recorded = self.reader.fan_out
        partition.on_chain_free = self.holds.chain_free
        self.reader.changed.set()

    def _note_changed(self, number: int) -> None:
        self.breakers.doubt(number)
        before, now = self.attempts.lanes.renew(number)
        if now and not before:
            self.holds.begin_hold(number)

    def _note_switched_off(self, number: int) -> None:
        self.sweeper.switched_off.add(number)

    async def _report(self) -> None:
        names = {number: endpoint.id for number in self._notes.numbers if (endpoint := self.view.endpoint(number))}
        for name in await self._reporter.run_once(names, self.time.now_ms()):
            logger.warning("endpoint.disabled", extra={"endpoint": name, "reason": "failing"})

    async def _disable(self, delivery: Delivery, result: Result) -> None:
        endpoint = self.view.endpoint(delivery.endpoint)
        if endpoint is None:
            return
        status = result.status if isinstance(result, Answered) else None
        now_ms = self.time.now_ms()
        last = LastFailure(now_ms, error_of(result).name.lower(), status, delivery.key.delivery_id)

        async def disable() -> None:
            await self._registry.disable(endpoint.id, "gone", now_ms, last)

        await self._until_done(disable)
        logger.warning("endpoint.disabled", extra={"endpoint": endpoint.id, "reason": "gone"})

    async def stop(self) -> None:
        """Hand over, wait for what runs, settle it, end: within the deadline plus two seconds."""
        try:
            async with asyncio.timeout(self.settings.deadline_seconds + STOP_SECONDS):
                await tasks.end(*(task for task in self._tasks if task.get_name() != "settler"))
                await self.membership.leave()
                await self.attempts.finish()
                for partition in list(self.settler.retiring):
                    await self.settler.flush(partition)
        except (TimeoutError, RedisError) as error:
            logger.warning("stop.incomplete", extra={"error": repr(error)})
        await self.end()
        logger.info("dispatcher.stopped", extra={"member": self.member})

    async def end(self) -> None:
        """End at once, whatever runs; nothing is handed over."""
        await tasks.end(*self._tasks)
        await self._sender.close(0.0)
        self._egress.close()
        for client in (self._redis, self._reading):
            await client.aclose()
