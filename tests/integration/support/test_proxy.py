"""The proxy, between redis-py and the real server."""

from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.proxy import Proxy
from tests.support.valkey import ValkeyServer
from tests.support.waiting import wait_until

REPLY_SECONDS = 0.3


@pytest.fixture
def proxy(shared_valkey: ValkeyServer) -> Iterator[Proxy]:
    with Proxy(shared_valkey.port) as proxy:
        yield proxy


@pytest.fixture
def direct(valkey_url: str) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(valkey_url, decode_responses=True) as client:
        client.delete("proxied")
        yield client


@pytest.fixture
def client(proxy: Proxy) -> Iterator["redis.Redis"]:
    retry = Retry(NoBackoff(), 0)
    with redis.Redis.from_url(proxy.url, socket_timeout=REPLY_SECONDS, retry=retry, decode_responses=True) as client:
        client.ping()
        yield client


def answers(client: "redis.Redis") -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_it_is_faithful(client: "redis.Redis") -> None:
    client.set("proxied", "x" * 1_000_000)
    assert client.get("proxied") == "x" * 1_000_000


def test_a_lost_reply_leaves_the_write_done(proxy: Proxy, client: "redis.Redis", direct: "redis.Redis") -> None:
    proxy.lose_reply(b"INCR")
    with pytest.raises(redis.ConnectionError):
        client.incr("proxied")
    proxy.wait_lost()
    assert direct.get("proxied") == "1"
    assert client.incr("proxied") == 2


def test_half_a_request_writes_nothing(proxy: Proxy, client: "redis.Redis", direct: "redis.Redis") -> None:
    proxy.halve()
    with pytest.raises(redis.ConnectionError):
        client.set("proxied", "value")
    assert direct.get("proxied") is None
    assert client.set("proxied", "value")


def test_dropped_bytes_are_a_timeout_until_healed(proxy: Proxy, client: "redis.Redis") -> None:
    proxy.drop()
    with pytest.raises(redis.TimeoutError):
        client.get("proxied")
    proxy.heal()
    assert client.ping()


def test_muted_replies_are_lost_and_the_write_is_done(
    proxy: Proxy, client: "redis.Redis", direct: "redis.Redis"
) -> None:
    proxy.mute()
    with pytest.raises(redis.TimeoutError):
        client.incr("proxied")
    proxy.heal()
    assert direct.get("proxied") == "1"


def test_a_request_can_begin_the_dropping(proxy: Proxy, client: "redis.Redis", direct: "redis.Redis") -> None:
    proxy.drop_from(b"INCRBY")
    assert client.ping()
    assert not proxy.is_dropping()
    with pytest.raises(redis.TimeoutError):
        client.incr("proxied")
    assert proxy.is_dropping()
    assert direct.get("proxied") is None


def test_delay_counts_per_direction(proxy: Proxy, client: "redis.Redis") -> None:
    proxy.delay(REPLY_SECONDS)
    with pytest.raises(redis.TimeoutError):
        client.get("proxied")


def test_reset_breaks_open_connections_and_refuse_all(proxy: Proxy, client: "redis.Redis") -> None:
    before = proxy.connections
    proxy.reset()
    wait_until(lambda: answers(client), 5, "an answer over a new connection")
    assert proxy.connections > before
    proxy.refuse()
    with pytest.raises(redis.ConnectionError):
        client.ping()
    proxy.heal()
    assert client.ping()


def test_a_server_that_is_away_resets(valkey_server: ValkeyServer) -> None:
    with Proxy(valkey_server.port) as proxy, redis.Redis.from_url(proxy.url, retry=Retry(NoBackoff(), 0)) as client:
        assert client.ping()
        valkey_server.kill9()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        valkey_server.start()
        assert client.ping()


def test_round_trips_are_counted_and_not_commands(proxy: Proxy, client: "redis.Redis") -> None:
    client.ping()
    before = proxy.round_trips
    with client.pipeline(transaction=False) as pipeline:
        for number in range(1_000):
            pipeline.set("a", "x" * 1_000 + str(number))
        pipeline.execute()
    assert 1 <= proxy.round_trips - before <= 8
    client.ping()
    client.ping()
    assert 3 <= proxy.round_trips - before <= 10
