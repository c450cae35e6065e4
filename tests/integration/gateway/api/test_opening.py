"""Opening the gateway on a real store."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.api.app import Opened
from gateway.api.opening import open_gateway
from gateway.clock import SystemClock
from gateway.egress import AllowEntryInvalid
from gateway.model.event import NewEvent
from gateway.settings import Settings
from gateway.store import connection, errors, log
from gateway.store.durability import DurabilityRefused
from gateway.store.remembered import StoreReplaced
from gateway.store.vault import VaultError
from tests.support.api_rig import Rig
from tests.support.valkey import ValkeyServer


async def _nothing(_replay: str) -> None:
    """No replay."""


@contextlib.asynccontextmanager
async def opened(settings: Settings, url: str) -> AsyncIterator[Opened]:
    """The gateway's parts."""
    async with open_gateway(settings, url, SystemClock(), _nothing) as found:
        yield found


async def test_it_has_every_part_and_the_hot_routes(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path), valkey_server.url) as found:
        assert [partition.number for partition in found.services.partitions] == [0, 1, 2, 3]
        assert set(found.hot) == {("POST", "/v1/events"), ("POST", "/v1/events/batch")}
        assert len(found.loops) == 4
        assert await found.services.registry.meta() == found.services.meta


async def test_what_does_not_pass_is_refused(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    url = valkey_server.url
    async with opened(Settings(data=tmp_path), url):
        pass
    refused: list[tuple[Settings, type[Exception]]] = [
        (Settings(data=tmp_path, partitions=8), errors.PartitionCountError),
        (Settings(data=tmp_path, egress_allow=("x",)), AllowEntryInvalid),
        (Settings(data=tmp_path, redis_url=url), VaultError),
    ]
    for settings, error in refused:
        with pytest.raises(error):
            await opened(settings, url).__aenter__()
    redis = connection.connect(url)
    await redis.config_set("maxmemory-policy", "allkeys-lru")
    await redis.aclose()
    with pytest.raises(DurabilityRefused, match="evicts"):
        await opened(Settings(data=tmp_path), url).__aenter__()
    async with opened(Settings(data=tmp_path, accept_data_loss=True), url):
        pass


async def test_a_store_that_came_back_empty_is_refused(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    async with opened(Settings(data=tmp_path), valkey_server.url):
        pass
    redis = connection.connect(valkey_server.url)
    await redis.flushall()
    await redis.aclose()
    with pytest.raises(StoreReplaced):
        await opened(Settings(data=tmp_path), valkey_server.url).__aenter__()
    async with opened(Settings(data=tmp_path, accept_data_loss=True), valkey_server.url):
        pass


async def test_a_store_that_is_gone_is_not_a_refusal(valkey_server: ValkeyServer, tmp_path: Path) -> None:
    valkey_server.kill9()
    with pytest.raises(connection.UNAVAILABLE):
        await opened(Settings(data=tmp_path), valkey_server.url).__aenter__()


async def test_internal_events_are_on_disk_when_their_address_is_known(rig: Rig) -> None:
    services = rig.services
    event = NewEvent(source="/hookline", type="hookline.test", data=b"{}", subscriber="shop", endpoint="e")
    address = await services.publish_internal(event)
    stored = await log.read(services.redis, services.partitions[address.partition], address)
    assert stored is not None
    assert (stored.type, stored.endpoint) == ("hookline.test", "e")
