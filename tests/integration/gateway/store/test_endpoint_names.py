import pytest
from redis.asyncio import Redis

from gateway.clock import SystemClock
from gateway.model.endpoint import Endpoint
from gateway.model.subscriber import Subscriber
from gateway.store import endpoint_names
from gateway.store.keys import RegistryKeys
from gateway.store.registry import Registry
from gateway.store.registry_reads import EndpointName


@pytest.fixture
async def registry(plain_redis: Redis) -> Registry:
    registry = Registry(plain_redis, SystemClock())
    await registry.bootstrap(4)
    for subscriber in ("shop", "mail"):
        await registry.create_subscriber(Subscriber(subscriber, "internal"))
    return registry


async def create(registry: Registry, endpoint: str, subscriber: str = "shop") -> int:
    made = await registry.create_endpoint(Endpoint(endpoint, 0, subscriber, "internal", "http://127.0.0.1/"))
    return made.number


async def test_names_and_numbers_also_of_deleted_endpoints(plain_redis: Redis, registry: Registry) -> None:
    names = endpoint_names.known_to(plain_redis)
    first, other = await create(registry, "a"), await create(registry, "b", "mail")
    assert await names.of_endpoint("a") == [first]
    await registry.delete_endpoint("a")
    second = await create(registry, "a")
    assert await names.of_endpoint("a") == [first, second]
    assert await names.of_subscriber("shop") == [first, second]
    assert await names.of_subscriber("nobody") == []
    assert await names.of_numbers([first, other, 99]) == {
        first: EndpointName("a", "shop"),
        other: EndpointName("b", "mail"),
    }


async def test_what_is_new_is_found_and_an_emptied_store_forgotten(plain_redis: Redis, registry: Registry) -> None:
    names = endpoint_names.known_to(plain_redis)
    assert names is endpoint_names.known_to(plain_redis)
    assert await names.of_endpoint("a") == []
    number = await create(registry, "a")
    assert await names.of_numbers([number]) == {number: EndpointName("a", "shop")}
    await plain_redis.delete(RegistryKeys.numbers)
    assert await names.of_endpoint("a") == []


async def test_a_gap_in_the_numbers_loses_no_name(plain_redis: Redis, registry: Registry) -> None:
    names = endpoint_names.known_to(plain_redis)
    await create(registry, "a")
    await plain_redis.hincrby(RegistryKeys.meta, "last_endpoint", 5)
    number = await create(registry, "b")
    assert await names.of_endpoint("b") == [number]
    assert await names.of_endpoint("a") == [1]


async def test_many_are_read_at_once(plain_redis: Redis) -> None:
    await plain_redis.hset(RegistryKeys.numbers, mapping={str(n): f"e{n} shop" for n in range(1, 2_501)})
    names = endpoint_names.EndpointNames(plain_redis)
    assert await names.of_subscriber("shop") == list(range(1, 2_501))
