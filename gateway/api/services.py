"""What the handlers work with: one struct, made once per process, given to every call."""

import dataclasses
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from gateway.clock import Clock
from gateway.egress import Egress
from gateway.ids import Address
from gateway.model.event import NewEvent
from gateway.settings import Settings
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Meta, Registry


@dataclasses.dataclass(slots=True)
class Services:
    """`partitions` are the keys of every partition; `redis` is for short commands only, nothing may block on it."""

    settings: Settings
    clock: Clock
    redis: Redis
    meta: Meta
    partitions: tuple[PartitionKeys, ...]
    registry: Registry
    health: HealthStore
    egress: Egress
    publish_internal: Callable[[NewEvent], Awaitable[Address]]
    """append an event of the gateway itself, such as `hookline.test`; returns after fsync"""
    start_replay: Callable[[str], Awaitable[None]]
    """queue the operator job of a replay that is stored"""
