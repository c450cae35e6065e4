"""Operational events: what Hookline tells a subscriber about its endpoints, as events of the log.

What happened is written to an outbox by the very script that made it happen; here it is published and then removed.
The event's id is made from what it tells, so that publishing twice is one event. At most one per endpoint, kind and
minute, with a count: for each endpoint one dispatcher speaks, the owner of the partition that its number falls on, over
the outboxes of all partitions. A delivery of such an event never causes another.

`data` has `endpoint`, `delivery`, `event` and `last_attempt` (but for `enabled`), and:

| type | what more | when |
|---|---|---|
| `hookline.delivery.dead` | count, reason | deliveries became dead letters; the newest is named |
| `hookline.endpoint.failing` | reason, failing_since, disables_at, consecutive_failures | see `store.operational` |
| `hookline.endpoint.disabled` | reason, disabled_at, count, consecutive_failures | the system disabled it |
| `hookline.endpoint.enabled` | enabled_at, disabled_since, replay | a probe got through, see `dispatcher.probes` |

`replay` is the body of the POST /v1/replays that would bring what it missed; nothing is replayed by itself.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids, rfc3339
from gateway.clock import Clock
from gateway.model.delivery import Reason, Record, State
from gateway.model.endpoint import Endpoint, LastFailure
from gateway.model.event import EventUnreadable, NewEvent
from gateway.store import deliveries, keys, log, outbox, scripts
from gateway.store.health import HealthReport, HealthStore
from gateway.store.operational import EndpointDisabled, EndpointEnabled, EndpointFailing, Entry
from gateway.store.registry import Registry

SOURCE = "/hookline"
DELIVERY_DEAD = "hookline.delivery.dead"
QUIET_SECONDS = 60.0
TURN_SECONDS = 1.0
logger = logging.getLogger("dispatcher.operational")


class Operational:
    """Drains the outboxes of the partitions, for its share of the endpoints, and that of the registry."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        registry: Registry,
        view: RegistryView,
        all_partitions: list[keys.PartitionKeys],
        owned: Mapping[int, Partition],
        disable_after_seconds: int,
        deadline_seconds: int,
    ) -> None:
        self._redis, self._clock, self._registry, self._view = redis, clock, registry, view
        self._all, self._owned = all_partitions, owned
        self._health = HealthStore(redis)
        self._disable_after, self._deadline = disable_after_seconds, deadline_seconds
        self._quiet_until: dict[int, float] = {}

    async def run_once(self) -> int:
        """Publish what is due; how many events. Raises redis errors, after which everything is still there."""
        published = 0
        for number, dead in (await self._dead_letters()).items():
            published += await self._announce_dead(number, dead)
        if speaks_for(0, len(self._all), self._owned):
            for entry in await self._registry.pending_operational():
                await self._publish(entry.event_id, entry.event_type, entry.subscriber, await self._told(entry))
                await self._registry.operational_done(entry)
                published += 1
        return published

    async def _dead_letters(self) -> dict[int, list[outbox.DeadLetters]]:
        now = self._clock.monotonic()
        self._quiet_until = {number: until for number, until in self._quiet_until.items() if now < until}
        found: dict[int, list[outbox.DeadLetters]] = {}
        for dead in await outbox.pending(self._redis, self._all):
            number = dead.newest.endpoint
            if speaks_for(number, len(self._all), self._owned) and number not in self._quiet_until:
                found.setdefault(number, []).append(dead)
        return found

    async def _announce_dead(self, number: int, dead: list[outbox.DeadLetters]) -> int:
        endpoint = self._view.endpoint(number)
        if endpoint is None:
            await self._view.refresh()
            endpoint = self._view.endpoint(number)
        if endpoint is not None:
            records = {one.newest: await self._record(one.newest) for one in dead}
            newest = max(records)
            letters = sum(one.letters for one in dead)
            data = {"endpoint": endpoint.id, "delivery": newest.delivery_id, "count": letters}
            data |= {"event": await self._event_id(newest), **_last_attempt(records[newest])}
            await self._publish(f"op:{newest.delivery_id}:{outbox.KIND}", DELIVERY_DEAD, endpoint.subscriber, data)
            await self._note_dead(endpoint, records)
            self._quiet_until[number] = self._clock.monotonic() + QUIET_SECONDS
        for one in dead:
            await outbox.done(self._redis, self._all[one.newest.partition], one)
        return int(endpoint is not None)

    async def _note_dead(self, endpoint: Endpoint, records: Mapping[ids.DeliveryKey, Record | None]) -> None:
        """Tell the endpoint's health of the last one whose schedule ended; what is `gone` or `poison` is not that."""
        exhausted = [
            (record.changed_ms, key, record)
            for key, record in records.items()
            if record is not None and record.state is State.DEAD and record.reason is Reason.EXHAUSTED
        ]
        if not exhausted:
            return
        at_ms, key, record = max(exhausted, key=lambda one: one[:2])
        last = LastFailure(at_ms, record.error.name.lower(), record.status or None, key.delivery_id)
        report = HealthReport(endpoint.number, endpoint.id, last_failure=last, dead_ms=at_ms)
        await self._health.report([report], self._disable_after, at_ms)

    async def _record(self, key: ids.DeliveryKey) -> Record | None:
        return (await deliveries.read(self._redis, self._all[key.partition], [key]))[0]

    async def _event_id(self, key: ids.DeliveryKey) -> str:
        try:
            event = await log.read(self._redis, self._all[key.partition], key.address)
        except EventUnreadable:
            event = None
        return event.id if event else key.address.event_id

    async def _told(self, entry: Entry) -> dict[str, Any]:
        key = ids.parse_delivery_id(entry.delivery or "")
        data: dict[str, Any] = {"endpoint": entry.endpoint, "delivery": entry.delivery}
        data["event"] = await self._event_id(key) if key else None
        if isinstance(entry, EndpointEnabled):
            return data | enabled(entry, self._deadline)
        return data | (failing(entry) if isinstance(entry, EndpointFailing) else disabled(entry))

    async def _publish(self, event_id: str, event_type: str, subscriber: str, data: dict[str, Any]) -> None:
        new = NewEvent(SOURCE, event_type, msgspec.json.encode(data), id=event_id, subscriber=subscriber)
        await publish(self._redis, self._all, new)
        logger.info("operational.published", extra={"type": event_type, "id": event_id})


async def publish(redis: Redis, partitions: Sequence[keys.PartitionKeys], event: NewEvent) -> ids.Address:
    """Append an event with an id of ours; where it lies, also if it was there before. Raises redis errors."""
    append = log.Append(partitions[ids.partition_of(event.id, len(partitions))], [event])
    (answer,) = await scripts.run_all(redis, [append.call])
    if isinstance(answer, BaseException):
        raise answer
    (appended,) = append.read(answer)
    if appended.address is None:
        raise ResponseError(f"the id {event.id} belongs to another event")
    return appended.address


def speaks_for(endpoint: int, partitions: int, owned: Mapping[int, Partition]) -> bool:
    """Whether this dispatcher speaks for an endpoint: it owns the partition that the endpoint's number falls on."""
    partition = owned.get(endpoint % partitions)
    return partition is not None and not (partition.lost or partition.released)


def failing(entry: EndpointFailing) -> dict[str, Any]:
    """What the warning says of the endpoint."""
    return {
        "reason": entry.reason,
        "failing_since": _time(entry.failing_since_ms),
        "disables_at": _time(entry.disables_at_ms),
        "consecutive_failures": entry.consecutive_failures,
        "last_attempt": _failure(entry.last_failure),
    }


def disabled(entry: EndpointDisabled) -> dict[str, Any]:
    """What the announcement says of the endpoint."""
    return {
        "reason": entry.reason,
        "disabled_at": _time(entry.at_ms),
        "count": entry.count,
        "consecutive_failures": entry.consecutive_failures,
        "last_attempt": _failure(entry.last_failure),
    }


def enabled(entry: EndpointEnabled, deadline_seconds: int) -> dict[str, Any]:
    """Since when it was off, and the replay that would bring what it missed.

    Beside what came while it was disabled that is what waited for a retry then: accepted up to one attempt before the
    first of its failures.
    """
    since = entry.disabled_ms
    if entry.failing_since_ms is not None:
        since = min(since, entry.failing_since_ms - (deadline_seconds + 1) * 1_000)
    return {
        "enabled_at": _time(entry.at_ms),
        "disabled_since": _time(entry.disabled_ms),
        "replay": {"endpoint": entry.endpoint, "since": _time(since), "until": _time(entry.at_ms + 1), "mode": "fill"},
    }


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else rfc3339.format_ms(milliseconds)


def _failure(last: LastFailure | None) -> dict[str, Any] | None:
    return {"error": last.error, "response_status": last.status} if last else None


def _last_attempt(record: Record | None) -> dict[str, Any]:
    if record is None:
        return {}
    error = record.error.name.lower() if record.error else None
    told = {"number": record.attempts, "error": error, "response_status": record.status or None}
    return {"reason": record.reason.name.lower(), "last_attempt": told}
