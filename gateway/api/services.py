"""What the handlers work with: one struct, opened once per process, given to every call."""

import dataclasses
from collections.abc import Awaitable, Callable

from redis.asyncio import Redis

from gateway.api.auth import Authenticator
from gateway.api.owners import Owners
from gateway.api.public_keys import PublicKeys
from gateway.clock import Clock
from gateway.egress import Egress
from gateway.ids import Address
from gateway.ingest.fullness import Fullness
from gateway.model.event import NewEvent
from gateway.registry_mirror import RegistryMirror
from gateway.settings import Settings
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Meta, Registry
from gateway.store.replays import Replays
from gateway.store.vault import Vault

PublishInternal = Callable[[NewEvent], Awaitable[Address]]
StartReplay = Callable[[str], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Services:
    """`partitions` are the keys of every partition; `redis` is for short commands only, nothing may block on it.

    `mirror` is the registry in memory; who must know what was just answered calls its `refresh` first.
    `publish_internal` appends an event of the gateway itself, such as `hookline.test`, and returns after fsync;
    `start_replay` queues the operator job of a replay that is stored.
    """

    settings: Settings
    clock: Clock
    redis: Redis
    meta: Meta
    partitions: tuple[PartitionKeys, ...]
    registry: Registry
    mirror: RegistryMirror
    health: HealthStore
    vault: Vault
    replays: Replays
    egress: Egress
    authenticator: Authenticator
    fullness: Fullness
    owners: Owners
    public_keys: PublicKeys
    publish_internal: PublishInternal
    start_replay: StartReplay
