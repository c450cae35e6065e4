import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.model.endpoint import Endpoint, LastFailure
from gateway.model.secret import EndpointSecret
from gateway.model.subscriber import Subscriber
from gateway.store import errors
from gateway.store.changes import Change
from gateway.store.health import HealthReport, HealthStore
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from tests.integration.gateway.store.clock import HandClock

SHOP = Subscriber("shop", "internal", "Shop", {"tier": 1e5, "big": 2**70})
FAILURE = LastFailure(1_700_000_000_001, "http_status", 410, "dlv_1")


def endpoint(endpoint_id: str, **changed: Any) -> Endpoint:
    return msgspec.structs.replace(Endpoint(endpoint_id, 0, "shop", "internal", "http://shop.local/in"), **changed)


@pytest.fixture
async def registry(redis: Redis, clock: HandClock) -> Registry:
    registry = Registry(redis, clock)
    await registry.bootstrap(4)
    return registry


async def changes_after(registry: Registry, cursor: str) -> list[Change]:
    found = await registry.changes_since(cursor)
    assert not found.truncated
    return list(found.changes)


async def test_the_first_start_fixes_partitions_and_cursor_key(registry: Registry) -> None:
    meta = await registry.bootstrap(4)
    assert (meta.partitions, len(meta.cursor_key)) == (4, 32)
    assert await registry.bootstrap(4) == meta == await registry.meta()
    with pytest.raises(errors.PartitionCountError) as caught:
        await registry.bootstrap(16)
    assert (caught.value.stored, caught.value.asked) == (4, 16)
    assert await registry.meta() == meta


async def test_a_subscriber_and_its_endpoints_are_made_together_and_numbered(
    registry: Registry, clock: HandClock
) -> None:
    cursor = await registry.changes_tail()
    made = await registry.create_subscriber(SHOP, [endpoint("a", number=99, revision=7), endpoint("b")])
    assert [(each.id, each.number, each.revision) for each in made] == [("a", 1, 1), ("b", 2, 1)]
    assert {each.created_ms for each in made} == {each.updated_ms for each in made} == {clock.ms}
    assert await registry.get_subscriber("shop") == msgspec.structs.replace(SHOP, created_ms=clock.ms)
    assert await registry.list_endpoints("shop") == made
    assert await changes_after(registry, cursor) == [
        Change("subscriber", "shop"),
        Change("endpoint", "a"),
        Change("endpoint", "b"),
    ]


async def test_a_refused_creation_writes_nothing(registry: Registry) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a")])
    other = msgspec.structs.replace(SHOP, id="other")
    cursor = await registry.changes_tail()
    new = [endpoint("n", subscriber="other"), endpoint("a", subscriber="other")]
    with pytest.raises(errors.AlreadyExists, match="endpoint a "):
        await registry.create_subscriber(other, new)
    with pytest.raises(errors.AlreadyExists, match="endpoint n "):
        await registry.create_subscriber(other, [new[0], new[0]])
    with pytest.raises(errors.AlreadyExists, match="subscriber shop "):
        await registry.create_subscriber(SHOP, [endpoint("n")])
    with pytest.raises(errors.AlreadyExists, match="endpoint a "):
        await registry.create_endpoint(endpoint("a"))
    assert await registry.get_subscriber("other") is None
    assert [each.id for each in await registry.list_endpoints()] == ["a"]
    assert await changes_after(registry, cursor) == []


async def test_an_endpoint_needs_its_subscriber_with_the_same_kind(registry: Registry) -> None:
    with pytest.raises(errors.SubscriberMissing):
        await registry.create_endpoint(endpoint("a"))
    await registry.create_subscriber(SHOP)
    with pytest.raises(errors.SubscriberMissing):
        await registry.create_endpoint(endpoint("a", kind="external"))
    with pytest.raises(ValueError, match="all of subscriber shop"):
        await registry.create_subscriber(SHOP, [endpoint("a", subscriber="other")])
    with pytest.raises(ValueError, match="at most 256"):
        await registry.create_subscriber(SHOP, [endpoint(str(index)) for index in range(257)])
    assert await registry.list_endpoints() == []


async def test_of_many_creations_of_one_id_at_once_exactly_one_wins(registry: Registry) -> None:
    async def create(name: str) -> bool:
        try:
            await registry.create_subscriber(msgspec.structs.replace(SHOP, name=name), [endpoint(f"of-{name}")])
        except errors.AlreadyExists:
            return False
        return True

    won = await asyncio.gather(*(create(str(index)) for index in range(20)))
    assert sum(won) == 1
    (made,) = await registry.list_endpoints()
    assert made.id == f"of-{won.index(True)}"


async def test_put_creates_then_replaces_and_keeps_creation_time_and_endpoints(
    registry: Registry, clock: HandClock
) -> None:
    created_ms = clock.ms
    assert await registry.put_subscriber(SHOP)
    await registry.create_endpoint(endpoint("a"))
    clock.ms += 1_000
    cursor = await registry.changes_tail()
    assert not await registry.put_subscriber(Subscriber("shop", "internal", "Renamed"))
    assert await registry.get_subscriber("shop") == Subscriber("shop", "internal", "Renamed", {}, created_ms)
    assert [each.id for each in await registry.list_endpoints("shop")] == ["a"]
    assert await changes_after(registry, cursor) == [Change("subscriber", "shop")]
    assert not await registry.put_subscriber(Subscriber("shop", "internal", "Renamed"))
    assert await changes_after(registry, cursor) == [Change("subscriber", "shop")]


async def test_the_kind_of_a_subscriber_is_fixed(registry: Registry) -> None:
    await registry.put_subscriber(SHOP)
    with pytest.raises(errors.KindFixed):
        await registry.put_subscriber(Subscriber("shop", "external", "Shop"))
    assert (await registry.list_subscribers())[0].kind == "internal"


async def test_put_with_what_was_read_notices_another_writer(registry: Registry) -> None:
    await registry.put_subscriber(SHOP)
    read = await registry.get_subscriber("shop")
    assert read
    assert not await registry.put_subscriber(msgspec.structs.replace(read, name="first"), read)
    with pytest.raises(errors.Conflict):
        await registry.put_subscriber(msgspec.structs.replace(read, name="second"), read)
    await registry.delete_subscriber("shop")
    with pytest.raises(errors.Conflict):
        await registry.put_subscriber(msgspec.structs.replace(read, name="third"), read)
    assert await registry.list_subscribers() == []


async def test_an_update_forgets_secrets_that_have_expired(registry: Registry, clock: HandClock) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a")])
    read = await registry.get_endpoint("a")
    assert read
    ends = (clock.ms, clock.ms + 1, None)
    secrets = tuple(EndpointSecret(str(number), "v1", b"", expires_ms=end) for number, end in enumerate(ends))
    stored = await registry.update_endpoint(msgspec.structs.replace(read, secrets=secrets), read.revision)
    assert [secret.id for secret in stored.secrets] == ["1", "2"]
    clock.ms += 1
    stored = await registry.update_endpoint(stored, stored.revision)
    assert [secret.id for secret in stored.secrets] == ["2"]


async def test_update_replaces_the_revision_that_was_read_only(registry: Registry, clock: HandClock) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a"), endpoint("b")])
    read = await registry.get_endpoint("b")
    assert read
    clock.ms += 5
    changed = msgspec.structs.replace(read, url="http://shop.local/new", number=77, kind="external", format="raw")
    cursor = await registry.changes_tail()
    stored = await registry.update_endpoint(changed, read.revision)
    assert stored == msgspec.structs.replace(changed, number=2, kind="internal", revision=2, updated_ms=clock.ms)
    assert await registry.get_endpoint("b") == stored
    assert await changes_after(registry, cursor) == [Change("endpoint", "b")]
    with pytest.raises(errors.Conflict):
        await registry.update_endpoint(msgspec.structs.replace(changed, url="http://shop.local/late"), read.revision)
    with pytest.raises(errors.Conflict):
        await registry.update_endpoint(msgspec.structs.replace(stored, subscriber="other"), stored.revision)
    with pytest.raises(errors.Conflict):
        await registry.update_endpoint(endpoint("missing"), 1)
    assert await registry.get_endpoint("b") == stored


async def test_disabling_is_done_once_and_the_first_reason_stays(registry: Registry) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a")])
    cursor = await registry.changes_tail()
    assert await registry.disable("a", "gone", 1_000, FAILURE)
    assert not await registry.disable("a", "operator", 2_000)
    assert not await registry.disable("missing", "gone", 1_000)
    stored = await registry.get_endpoint("a")
    assert stored
    assert (stored.status, stored.disabled_reason, stored.disabled_ms, stored.revision) == (
        "disabled",
        "gone",
        1_000,
        2,
    )
    assert await changes_after(registry, cursor) == [Change("endpoint", "a")]


@pytest.mark.parametrize("way", ["enable", "update"])
async def test_enabling_clears_the_reason_and_forgets_the_failures(
    registry: Registry, redis: Redis, clock: HandClock, way: str
) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a")])
    await HealthStore(redis).report([HealthReport(1, "a", 0, 3, 500, 0, FAILURE)], 3_600, 1_000)
    await registry.disable("a", "gone", 1_000)
    disabled = await registry.get_endpoint("a")
    assert disabled
    cursor = await registry.changes_tail()
    if way == "enable":
        enabled = await registry.enable("a")
    else:
        enabled = await registry.update_endpoint(msgspec.structs.replace(disabled, status="enabled"), disabled.revision)
    assert enabled == msgspec.structs.replace(
        disabled, status="enabled", disabled_reason=None, disabled_ms=None, revision=3, updated_ms=clock.ms
    )
    assert await registry.get_endpoint("a") == enabled
    assert await HealthStore(redis).get([1]) == {}
    assert await changes_after(registry, cursor) == [Change("endpoint", "a")]


async def test_enabling_an_enabled_or_missing_endpoint_changes_nothing(registry: Registry, redis: Redis) -> None:
    (made,) = await registry.create_subscriber(SHOP, [endpoint("a")])
    await HealthStore(redis).report([HealthReport(1, "a", 0, 3, 500, 0, FAILURE)], 3_600, 1_000)
    assert await registry.enable("a") == made
    assert (await HealthStore(redis).get([1]))[1].consecutive_failures == 3
    assert await registry.enable("missing") is None


async def test_deleting_an_endpoint_keeps_its_name_and_never_reuses_its_number(
    registry: Registry, redis: Redis
) -> None:
    await registry.create_subscriber(SHOP, [endpoint(name) for name in "abc"])
    await HealthStore(redis).report([HealthReport(2, "b", 0, 1, 500, 0, FAILURE)], 3_600, 1_000)
    cursor = await registry.changes_tail()
    assert await registry.delete_endpoint("b")
    assert not await registry.delete_endpoint("b")
    assert await changes_after(registry, cursor) == [Change("endpoint", "b")]
    assert [each.id for each in await registry.list_endpoints("shop")] == ["a", "c"]
    assert await HealthStore(redis).get([2]) == {}
    assert (await registry.create_endpoint(endpoint("b"))).number == 4
    names = await registry.endpoint_names([2, 4, 9])
    assert names == {2: ("b", "shop"), 4: ("b", "shop")}


async def test_deleting_a_subscriber_deletes_its_endpoints_only(registry: Registry, redis: Redis) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a"), endpoint("b")])
    other = Subscriber("other", "internal")
    await registry.create_subscriber(other, [endpoint("o", subscriber="other")])
    cursor = await registry.changes_tail()
    assert await registry.delete_subscriber("shop")
    assert not await registry.delete_subscriber("shop")
    assert set(await changes_after(registry, cursor)) == {
        Change("endpoint", "a"),
        Change("endpoint", "b"),
        Change("subscriber", "shop"),
    }
    assert [each.id for each in await registry.list_endpoints()] == ["o"]
    assert [each.id for each in await registry.list_subscribers()] == ["other"]
    assert (await registry.endpoint_names([1]))[1].subscriber == "shop"
    again = await registry.create_subscriber(SHOP, [endpoint("a")])
    assert again[0].number == 4


async def test_a_subscriber_with_very_many_endpoints_goes_in_pieces_and_completely(
    registry: Registry, redis: Redis
) -> None:
    first = [endpoint(f"first-{index}") for index in range(256)]
    await registry.create_subscriber(SHOP, first)
    for index in range(3):
        await registry.create_endpoint(endpoint(f"more-{index}"))
    assert await registry.delete_subscriber("shop")
    assert await registry.list_endpoints() == []
    assert await registry.get_subscriber("shop") is None
    assert await redis.hlen(RegistryKeys.numbers) == 259


async def test_a_lost_counter_never_brings_a_number_back(registry: Registry, redis: Redis) -> None:
    await registry.create_subscriber(SHOP, [endpoint("a"), endpoint("b")])
    await redis.delete(RegistryKeys.meta)
    assert (await registry.create_endpoint(endpoint("c"))).number == 3
