"""Probes of endpoints that were disabled as failing: one attempt now and then, and the first 2xx enables them again.

    disabled as failing --5 min--> probe --fails--> probe after as long again, at most 1 h later --> ...
                                         --2xx--> enabled, its owner is told (`hookline.endpoint.enabled`)
                                         --410--> disabled as gone: no further probe

One dispatcher probes: the one that speaks for the endpoint (see `operational`). It places an order of kind PROBE, which
the owner of the delivery's partition obeys like any order: the attempt is recorded with the delivery and settled under
the owner's token. A failure leaves the delivery what it was; the delivery that gets through is delivered.

What is sent is the delivery whose failure was the last. If its event is gone or damaged, or somebody has delivered it
meanwhile, it is an event `hookline.test` for this endpoint alone, one for each time that it was disabled.

When the next probe is due follows from when the endpoint was disabled and when its last attempt failed, which the
registry keeps: twice the time each, within `FIRST_MS` and `LONGEST_MS`. So a restart or another speaker neither probes
at once nor begins anew. It refuses to probe what a person disabled, and what said that it is gone.
"""

import logging
from collections.abc import Mapping

import msgspec
from redis.asyncio import Redis

from dispatcher.attempts import StoreTime
from dispatcher.delivery import Delivery
from dispatcher.operational import SOURCE, publish, speaks_for
from dispatcher.partition import Partition
from dispatcher.registry_view import RegistryView
from gateway import ids
from gateway.clock import Clock
from gateway.model.endpoint import Endpoint, Health
from gateway.model.event import EventUnreadable, NewEvent
from gateway.store import keys, log, work
from gateway.store.health import HealthStore, enable_probed

FIRST_MS = 300_000
LONGEST_MS = 3_600_000
AGAIN_SECONDS = 60.0
"""After an order was placed: until then its attempt has ended and was reported, or its partition has no owner."""
AHEAD_SECONDS = 1.0
"""Until an event that was just published is recorded, so that a delivery of it can be ordered."""
PAGE = 2_000
TURN_SECONDS = 1.0
TEST_TYPE = "hookline.test"
logger = logging.getLogger("dispatcher.probes")


def due_ms(disabled_ms: int, health: Health) -> int:
    """When the next probe may be sent."""
    last_ms = max(disabled_ms, health.last_failure.at_ms if health.last_failure else 0)
    return last_ms + min(max(last_ms - disabled_ms, FIRST_MS), LONGEST_MS)


class Probes:
    """Orders the probes for our share of the endpoints, and enables what they got through to."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        time: StoreTime,
        view: RegistryView,
        all_partitions: list[keys.PartitionKeys],
        owned: Mapping[int, Partition],
    ) -> None:
        self._redis, self._clock, self._time, self._view = redis, clock, time, view
        self._all, self._owned = all_partitions, owned
        self._health = HealthStore(redis)
        self._quiet_until: dict[tuple[int, int], float] = {}
        self._at = 0

    async def run_once(self) -> int:
        """Look at a page of the endpoints; how many probes were ordered. Raises redis errors."""
        now = self._clock.monotonic()
        self._quiet_until = {name: until for name, until in self._quiet_until.items() if now < until}
        wanted = {endpoint.number: endpoint for endpoint in self._page()}
        health = await self._health.get(wanted)
        ordered = 0
        for number, endpoint in wanted.items():
            ordered += await self._consider(endpoint, health.get(number, Health()))
        return ordered

    def _page(self) -> list[Endpoint]:
        endpoints = self._view.endpoints()
        start = self._at if self._at < len(endpoints) else 0
        page = endpoints[start : start + PAGE]
        self._at = start + len(page)
        return [
            endpoint
            for endpoint in page
            if endpoint.disabled_reason == "failing"
            and (endpoint.number, endpoint.disabled_ms) not in self._quiet_until
            and speaks_for(endpoint.number, len(self._all), self._owned)
        ]

    async def _consider(self, endpoint: Endpoint, health: Health) -> bool:
        disabled_ms = endpoint.disabled_ms or 0
        wait_ms = due_ms(disabled_ms, health) - self._time.now_ms()
        answer: work.Answer = "kept"
        if wait_ms <= 0:
            answer = await self._order(endpoint, health)
            wait_ms = round(1_000 * (AHEAD_SECONDS if answer == "ahead" else AGAIN_SECONDS))
        self._quiet_until[endpoint.number, disabled_ms] = self._clock.monotonic() + wait_ms / 1_000
        return answer == "queued"

    async def _order(self, endpoint: Endpoint, health: Health) -> work.Answer:
        key = ids.parse_delivery_id((health.last_failure and health.last_failure.delivery) or "")
        answer: work.Answer = "kept"
        if key is not None and await self._is_there(key):
            answer = await work.order_probe(self._redis, self._all[key.partition], key)
        if answer == "kept":
            key = await self._test(endpoint)
            answer = await work.order_probe(self._redis, self._all[key.partition], key)
        if answer == "queued" and key is not None:
            told = {"endpoint": endpoint.id, "delivery": key.delivery_id}
            logger.info("probe.ordered", extra=told)
        return answer

    async def _is_there(self, key: ids.DeliveryKey) -> bool:
        if key.partition >= len(self._all):
            return False
        try:
            event = await log.read(self._redis, self._all[key.partition], key.address)
        except EventUnreadable:
            return False
        return event is not None and event.is_intact()

    async def _test(self, endpoint: Endpoint) -> ids.DeliveryKey:
        """The delivery of a test event; the same one until its event is gone."""
        data = msgspec.json.encode({"endpoint": endpoint.id, "subscriber": endpoint.subscriber, "reason": "probe"})
        name = f"op:{endpoint.number}:probe:{endpoint.disabled_ms}"
        event = NewEvent(SOURCE, TEST_TYPE, data, id=name, subscriber=endpoint.subscriber, endpoint=endpoint.id)
        return ids.DeliveryKey(*await publish(self._redis, self._all, event), endpoint.number)

    async def recovered(self, delivery: Delivery) -> None:
        """A probe got through: enable its endpoint, unless somebody decided about it meanwhile. Raises redis errors."""
        endpoint = self._view.endpoint(delivery.endpoint)
        if endpoint is None or endpoint.disabled_reason != "failing" or endpoint.disabled_ms is None:
            return
        now_ms, name = self._time.now_ms(), delivery.key.delivery_id
        if await enable_probed(self._redis, endpoint.id, endpoint.disabled_ms, now_ms, name):
            logger.warning("endpoint.enabled", extra={"endpoint": endpoint.id, "delivery": name})
