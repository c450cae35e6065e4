"""What the handlers work with: one struct, opened once per process, given to every call."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable

from redis.asyncio import Redis

from gateway.api.auth import Authenticator
from gateway.clock import Clock
from gateway.egress import Egress
from gateway.ids import Address
from gateway.model.event import NewEvent
from gateway.settings import Settings
from gateway.store import connection, durability
from gateway.store.api_keys import ApiKeys
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Meta, Registry
from gateway.store.replays import Replays
from gateway.store.vault import Vault

PublishInternal = Callable[[NewEvent], Awaitable[Address]]
StartReplay = Callable[[str], Awaitable[None]]


@dataclasses.dataclass(slots=True)
class Services:
    """`partitions` are the keys of every partition; `redis` is for short commands only, nothing may block on it.

    `publish_internal` appends an event of the gateway itself, such as `hookline.test`, and returns after fsync;
    `start_replay` queues the operator job of a replay that is stored.
    """

    settings: Settings
    clock: Clock
    redis: Redis
    meta: Meta
    partitions: tuple[PartitionKeys, ...]
    registry: Registry
    health: HealthStore
    vault: Vault
    api_keys: ApiKeys
    replays: Replays
    egress: Egress
    authenticator: Authenticator
    publish_internal: PublishInternal
    start_replay: StartReplay


@contextlib.asynccontextmanager
async def open_services(
    settings: Settings,
    redis_url: str,
    clock: Clock,
    publish_internal: Callable[[Redis, tuple[PartitionKeys, ...]], PublishInternal],
    start_replay: StartReplay,
) -> AsyncIterator[Services]:
    """Connect, check and load; closed at the end.

    Raises DurabilityRefused, PartitionCountError, VaultError or AllowEntryInvalid, which do not pass by themselves,
    and redis errors, which do.
    """
    async with contextlib.AsyncExitStack() as stack:
        redis = connection.connect(redis_url)
        stack.push_async_callback(redis.aclose)
        waiting = connection.connect(redis_url)
        stack.push_async_callback(waiting.aclose)
        vault = Vault.from_settings(settings, settings.data)
        egress = Egress(settings.egress_allow, clock)
        stack.callback(egress.close)
        await durability.require(redis, settings.accept_data_loss)
        registry = Registry(redis, clock)
        meta = await registry.bootstrap(settings.partition_count)
        partitions = tuple(PartitionKeys(number, meta.partitions) for number in range(meta.partitions))
        api_keys = ApiKeys(redis, clock)
        yield Services(
            settings=settings,
            clock=clock,
            redis=redis,
            meta=meta,
            partitions=partitions,
            registry=registry,
            health=HealthStore(redis),
            vault=vault,
            api_keys=api_keys,
            replays=Replays(redis, clock),
            egress=egress,
            authenticator=Authenticator(api_keys, registry, waiting, clock),
            publish_internal=publish_internal(redis, partitions),
            start_replay=start_replay,
        )
