"""Each fault is put into a real store, and found."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway import ids
from gateway.cli.doctor import judging, reading
from gateway.cli.doctor.findings import Finding, Level
from gateway.clock import Clock, SystemClock
from gateway.model.delivery import Reason, Record, State
from gateway.model.endpoint import Endpoint, LastFailure
from gateway.model.event import NewEvent
from gateway.model.subscriber import Subscriber
from gateway.settings import Settings
from gateway.store import breakers, connection, deliveries, endpoint_secrets, filter_errors, leases, log, scripts
from gateway.store.breakers import Breaker
from gateway.store.filter_errors import FilterErrors
from gateway.store.health import HealthReport, HealthStore
from gateway.store.members import Members
from gateway.store.registry import Registry
from gateway.store.vault import KEY_FILE, Vault, parse_keys
from tests.integration.gateway.cli.doctor.deployment import COUNT, KEY, PARTITIONS, Beating, begin, owned
from tests.integration.gateway.store.clock import HandClock
from tests.support.haste import HastyClock
from tests.support.valkey import ValkeyServer

FAILED = LastFailure(1, "http_status", 503)


@pytest.fixture
def settings(valkey_url: str) -> Settings:
    return Settings(redis_url=valkey_url, partitions=COUNT, encryption_keys=KEY)


async def attention(redis: Redis, settings: Settings, clock: Clock) -> dict[str, Finding]:
    """What is not in order, by its code."""
    found = judging.judge(await reading.read(redis, settings, clock))
    return {finding.code: finding for finding in found if finding.level is not Level.OK}


@pytest.fixture
async def registry(redis: Redis) -> Registry:
    return await begin(redis)


@pytest.fixture
async def alive(redis: Redis, registry: Registry) -> Beating:
    """A dispatcher that owns everything and lives."""
    held = await owned(redis)
    await Members(redis, SystemClock()).beat("d1")
    return Beating(redis, held)


@pytest.fixture
async def endpoint(registry: Registry, settings: Settings) -> Endpoint:
    return await make_endpoint(registry, settings)


async def make_endpoint(registry: Registry, settings: Settings, **fields: Any) -> Endpoint:
    """`ep` of `acme`, with a secret that these settings open."""
    vault = Vault(parse_keys(settings.encryption_keys or ""))
    secret = endpoint_secrets.seal(vault, "ep", "v1", endpoint_secrets.generate("v1"), 1)
    made = Endpoint("ep", 0, "acme", "internal", "http://127.0.0.1/", secrets=(secret,), **fields)
    return (await registry.create_subscriber(Subscriber("acme", "internal"), [made]))[0]


async def append(redis: Redis) -> ids.Address:
    """An event in the log of partition 0 that nobody has read."""
    call = log.Append(PARTITIONS[0], [NewEvent("/tests", "order.placed", b"{}")])
    (answer,) = await scripts.run_all(redis, [call.call])
    (appended,) = call.read(answer)
    assert appended.address
    return appended.address


async def settle(redis: Redis, clock: Beating, number: int, record: Record) -> ids.DeliveryKey:
    """A delivery of a new event with this record."""
    address = await append(redis)
    lease = clock.held[0][1]
    mark: Any = await redis.get(PARTITIONS[0].recorded)
    call = deliveries.Settle(PARTITIONS[0], lease, mark.decode() if mark else deliveries.START)
    key = ids.DeliveryKey(*address, number)
    call.transition(deliveries.Transition(key, None, record))
    call.passed(deliveries.Passed(address, [number]))
    assert (await call.send(redis)).code == "K"
    return key


async def test_a_sound_system_has_nothing_to_say(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint
) -> None:
    assert await attention(redis, settings, alive) == {}
    assert alive.waits == [reading.WATCH_SECONDS]
    assert reading.WATCH_SECONDS > leases.BEAT_SECONDS


async def test_an_unused_store_is_told_without_waiting(redis: Redis, settings: Settings) -> None:
    clock = HastyClock()
    assert set(await attention(redis, settings, clock)) == {"never_started"}
    assert clock.waits == []


async def test_nobody_delivers(redis: Redis, settings: Settings, registry: Registry) -> None:
    assert set(await attention(redis, settings, HastyClock())) == {"none_alive"}


async def test_what_is_owned_but_does_not_beat_is_found(redis: Redis, settings: Settings, alive: Beating) -> None:
    await Members(redis, SystemClock()).beat("killed")
    found = await attention(redis, settings, Beating(redis, alive.held[:-1]))
    assert set(found) == {"partitions_without_owner", "dispatcher_silent"}
    assert found["partitions_without_owner"].data["without_owner"] == [3]
    assert found["dispatcher_silent"].data == {"dispatcher": "killed"}


async def test_events_that_nobody_handles_are_found(redis: Redis, settings: Settings, alive: Beating) -> None:
    await append(redis)
    found = await attention(redis, settings, alive)
    assert set(found) == {"partition_stands_still"}
    assert (found["partition_stands_still"].data["unread"], found["partition_stands_still"].data["owner"]) == (1, "d1")


async def test_an_overdue_retry_is_found(redis: Redis, settings: Settings, alive: Beating) -> None:
    due = await connection.store_ms(redis) - 300_000
    await redis.zadd(PARTITIONS[2].due, {b"k" * 18: due})
    found = await attention(redis, settings, alive)
    assert found["retries_late"].data["partitions"] == [2]
    assert found["retries_late"].text.startswith("retries of partition 2 are up to 5 minutes overdue")


async def test_dead_letters_are_found_with_their_endpoint(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint
) -> None:
    await settle(redis, alive, endpoint.number, Record(State.DEAD, Reason.EXHAUSTED, 3))
    found = await attention(redis, settings, alive)
    assert set(found) == {"dead_letters"}
    assert found["dead_letters"].data == {"total": 1, "by": [["ep", "exhausted", 1]]}
    await settle(redis, alive, endpoint.number, Record(State.DEAD, Reason.POISON))
    found = await attention(redis, settings, alive)
    assert (found["poison"].data, found["dead_letters"].data["total"]) == ({"poison": 1}, 2)


async def test_a_failing_endpoint_is_found(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint
) -> None:
    now_ms = await connection.store_ms(redis)
    report = HealthReport(endpoint.number, "ep", 0, 9, now_ms - 7_200_000, 0, FAILED)
    await HealthStore(redis).report([report], settings.disable_after, now_ms)
    found = await attention(redis, settings, alive)
    assert set(found) == {"failing"}
    assert "(2 hours), 9 times in a row, last http_status 503" in found["failing"].text


@pytest.mark.parametrize("reason", ["gone", "failing", "operator"])
async def test_a_disabled_endpoint_is_found(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint, registry: Registry, reason: Any
) -> None:
    await registry.disable("ep", reason, await connection.store_ms(redis), FAILED)
    assert set(await attention(redis, settings, alive)) == {f"disabled_{reason}"}


async def test_a_paused_endpoint_is_found_with_what_it_holds(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint, registry: Registry
) -> None:
    paused = msgspec.structs.replace(endpoint, status="paused", paused_ms=await connection.store_ms(redis))
    await registry.update_endpoint(paused, endpoint.revision)
    for _ in range(3):
        await settle(redis, alive, endpoint.number, Record(State.HELD, Reason.PAUSED))
    found = await attention(redis, settings, alive)
    assert set(found) == {"paused"}
    assert found["paused"].data["held"] == 3
    full = await attention(redis, dataclasses.replace(settings, hold_limit=3), alive)
    assert set(full) == {"hold_full"}


async def test_an_open_breaker_is_found_with_what_it_holds(
    redis: Redis, settings: Settings, alive: Beating, endpoint: Endpoint
) -> None:
    now_ms = await connection.store_ms(redis)
    await breakers.swap(redis, endpoint.number, None, Breaker(now_ms - 60_000, now_ms + 1_000))
    await settle(redis, alive, endpoint.number, Record(State.HELD, Reason.BREAKER))
    found = await attention(redis, settings, alive)
    assert set(found) == {"breaker_open"}
    assert "(1 minute)" in found["breaker_open"].text
    assert found["breaker_open"].text.endswith("1 delivery held")


async def test_a_filter_without_an_answer_is_found(
    redis: Redis, settings: Settings, alive: Beating, registry: Registry
) -> None:
    endpoint = await make_endpoint(registry, settings, filter="data.amount > 1")
    await filter_errors.report(redis, [(endpoint, FilterErrors(2, "no such key", 1))])
    assert set(await attention(redis, settings, alive)) == {"filter_errors"}


async def test_clocks_that_differ_are_found(redis: Redis, settings: Settings, registry: Registry) -> None:
    held, ahead = await owned(redis), HandClock()
    ahead.ms = await connection.store_ms(redis) + 600_000
    await Members(redis, ahead).beat("d2")

    class Behind(Beating):
        def wall_ms(self) -> int:
            return super().wall_ms() - 60_000

        async def sleep(self, seconds: float) -> None:
            await super().sleep(seconds)
            await Members(redis, ahead).beat("d2")

    found = judging.judge(await reading.read(redis, settings, Behind(redis, held)))
    differ = {finding.data["of"]: finding.data["ahead_ms"] for finding in found if finding.code == "clock_differs"}
    assert set(differ) == {"this machine", "dispatcher d2"}
    assert differ["this machine"] == pytest.approx(-60_000, abs=5_000)
    assert differ["dispatcher d2"] == pytest.approx(600_000, abs=60_000)


async def test_a_secret_of_another_key_is_found(
    redis: Redis, settings: Settings, alive: Beating, registry: Registry
) -> None:
    other = Settings(redis_url=settings.redis_url, encryption_keys="k0:" + "B" * 43 + "=")
    await make_endpoint(registry, other)
    found = await attention(redis, settings, alive)
    assert set(found) == {"encryption_key_unknown", "secret_sealed"}
    assert "'k0'" in found["encryption_key_unknown"].text


async def test_missing_keys_are_found(redis: Redis, settings: Settings, alive: Beating) -> None:
    without = Settings(redis_url=settings.redis_url, partitions=COUNT)
    assert set(await attention(redis, without, alive)) == {"encryption_keys_missing"}


def test_no_key_is_made(tmp_path: Path) -> None:
    embedded = Settings(data=tmp_path)
    assert reading.open_vault(embedded) == (None, f"{tmp_path / KEY_FILE} is missing")
    assert list(tmp_path.iterdir()) == []
    Vault.from_settings(embedded, tmp_path)
    assert reading.open_vault(embedded)[1] == ""


FAULTS = {
    "maxmemory": ("0", "no_memory_limit"),
    "appendfsync": ("everysec", "fsync_not_always"),
    "appendonly": ("no", "aof_off"),
    "maxmemory-policy": ("allkeys-lru", "evicts"),
}


@pytest.mark.parametrize("setting", FAULTS)
async def test_a_store_that_is_not_durable_is_found(valkey_server: ValkeyServer, setting: str) -> None:
    value, code = FAULTS[setting]
    redis = connection.connect(valkey_server.url)
    await begin(redis)
    await redis.config_set(setting, value)
    settings = Settings(redis_url=valkey_server.url, partitions=COUNT, encryption_keys=KEY)
    found = await attention(redis, settings, Beating(redis, await owned(redis)))
    assert set(found) == {code}
    assert "CONFIG SET" in found[code].way_out
    await redis.aclose()


async def test_a_store_that_hides_its_settings_is_found(valkey_server: ValkeyServer) -> None:
    admin = connection.connect(valkey_server.url)
    await admin.acl_setuser(
        "managed", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"], categories=["+@all"],
        commands=["-config"],
    )  # fmt: skip
    url = valkey_server.url.replace("redis://", "redis://managed:secret@")
    redis = connection.connect(url)
    await begin(redis)
    settings = Settings(redis_url=url, partitions=COUNT, encryption_keys=KEY)
    found = await attention(redis, settings, Beating(redis, await owned(redis)))
    assert set(found) == {"unknown"}
    assert "the store hides appendfsync" in found["unknown"].text
    assert "HOOKLINE_ACCEPT_DATA_LOSS=1" in found["unknown"].way_out
    await redis.aclose()
    await admin.aclose()


async def test_a_store_that_is_nearly_full_is_found(valkey_server: ValkeyServer) -> None:
    redis = connection.connect(valkey_server.url)
    await begin(redis)
    clock = Beating(redis, await owned(redis))
    info: Any = await redis.info("memory")
    await redis.config_set("maxmemory", int(info["used_memory"] / 0.85))
    settings = Settings(redis_url=valkey_server.url, partitions=COUNT, encryption_keys=KEY)
    found = await attention(redis, settings, clock)
    assert set(found) == {"memory_full"}
    assert "the oldest delivered events go early" in found["memory_full"].text
    await redis.aclose()
