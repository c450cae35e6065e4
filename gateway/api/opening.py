"""Opens the gateway: connections, the guard, the registry's facts, keys, group commit; closed in reverse order.

Every start looks at the store before it takes an event: one that loses what it acknowledges, that was made with another
partition count, or that has come back as another one than before, is refused with the reason.
"""

import contextlib
import functools
import logging
from collections.abc import AsyncIterator

from redis.asyncio import Redis

from gateway.api import publish, publish_batch
from gateway.api.app import HotRoute, Opened
from gateway.api.auth import Authenticator
from gateway.api.owners import Owners
from gateway.api.public_keys import PublicKeys
from gateway.api.publish import Publish, Publisher
from gateway.api.publish_batch import PublishBatch
from gateway.api.services import PublishInternal, Services, StartReplay
from gateway.clock import Clock
from gateway.egress import Egress
from gateway.ids import Address
from gateway.ingest.fullness import Fullness
from gateway.ingest.group_commit import GroupCommit
from gateway.model.event import NewEvent
from gateway.problems import Problem
from gateway.registry_mirror import RegistryMirror
from gateway.settings import Settings
from gateway.store import connection, durability, remembered
from gateway.store.api_keys import ApiKeys
from gateway.store.health import HealthStore
from gateway.store.keys import PartitionKeys
from gateway.store.registry import Registry
from gateway.store.registry_reads import Meta
from gateway.store.replays import Replays
from gateway.store.vault import Vault

logger = logging.getLogger("gateway.api.opening")
FLUSH_SECONDS = 4.5
"""How long a publisher waits for a store that hangs before the answer is 503; longer than two syncs of a slow disk."""


@contextlib.asynccontextmanager
async def open_gateway(
    settings: Settings, redis_url: str, clock: Clock, start_replay: StartReplay
) -> AsyncIterator[Opened]:
    """Connect, check and load.

    Raises DurabilityRefused, PartitionCountError, StoreReplaced, VaultError or AllowEntryInvalid, which do not pass by
    themselves, and redis errors, which do.
    """
    async with contextlib.AsyncExitStack() as stack:
        vault = Vault.from_settings(settings, settings.data)
        egress = _egress(stack, settings, clock)
        redis = await _connected(stack, redis_url)
        waiting = await _connected(stack, redis_url)
        registry = Registry(redis, clock)
        meta = await _admit(redis, registry, settings, redis_url)
        partitions = tuple(PartitionKeys(number, meta.partitions) for number in range(meta.partitions))
        commit = GroupCommit(await _connected(stack, redis_url, FLUSH_SECONDS, patient=False), partitions)
        fullness = Fullness(redis, clock)
        await fullness.run_once()
        services = Services(
            settings=settings,
            clock=clock,
            redis=redis,
            meta=meta,
            partitions=partitions,
            registry=registry,
            mirror=RegistryMirror(registry),
            health=HealthStore(redis),
            vault=vault,
            replays=Replays(redis, clock),
            egress=egress,
            authenticator=Authenticator(ApiKeys(redis, clock), registry, waiting, clock),
            fullness=fullness,
            owners=Owners(clock),
            public_keys=PublicKeys(registry, clock),
            publish_internal=_publish_internal(commit, fullness),
            start_replay=start_replay,
        )
        yield _opened(services, commit)


def _egress(stack: contextlib.AsyncExitStack, settings: Settings, clock: Clock) -> Egress:
    egress = Egress(settings.egress_allow, clock, proxy=settings.egress_proxy, checks=settings.egress_proxy_checks)
    logger.info("egress.chosen", extra={"how": egress.described()})
    stack.callback(egress.close)
    return egress


async def _admit(redis: Redis, registry: Registry, settings: Settings, redis_url: str) -> Meta:
    """The facts of a store that may be used."""
    await durability.require(redis, settings.accept_data_loss)
    meta = await registry.bootstrap(settings.partition_count)
    remembered.require_same(settings.data, redis_url, meta, accept_data_loss=settings.accept_data_loss)
    return meta


async def _connected(
    stack: contextlib.AsyncExitStack,
    redis_url: str,
    reply_seconds: float = connection.REPLY_SECONDS,
    *,
    patient: bool = True,
) -> Redis:
    redis = connection.connect(redis_url, reply_seconds, patient=patient)
    stack.push_async_callback(redis.aclose)
    return redis


def _publish_internal(commit: GroupCommit, fullness: Fullness) -> PublishInternal:
    async def append(event: NewEvent) -> Address:
        fullness.check()
        appended = await commit.submit(event)
        if appended.address is None:
            raise Problem("idempotency_conflict", f"id {event.id} was used for another event")
        return appended.address

    return append


def _opened(services: Services, commit: GroupCommit) -> Opened:
    limit = services.settings.event_bytes
    authenticator = services.authenticator
    publisher = Publisher(services.redis, services.partitions, commit, services.fullness)
    hot: dict[tuple[str, str], HotRoute] = {
        ("POST", publish.OPERATION.path): Publish(authenticator, publisher, limit),
        ("POST", publish_batch.OPERATION.path): PublishBatch(authenticator, publisher, limit),
    }
    keep_current = functools.partial(services.mirror.keep_current, services.clock)
    return Opened(services, hot, (authenticator.follow, commit.run, services.fullness.run, keep_current))
