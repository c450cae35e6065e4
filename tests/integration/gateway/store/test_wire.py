"""The wire on a real store: replies in order, errors in their place, and what breaks is never mistaken for a reply."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis import exceptions

from gateway.store import connection, scripts
from tests.support.proxy import Proxy
from tests.support.valkey import ValkeyServer


@pytest.fixture
async def client(valkey_url: str) -> AsyncIterator[connection.Client]:
    client = connection.connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
def proxy(valkey_server: ValkeyServer) -> Iterator[Proxy]:
    with Proxy(valkey_server.port) as proxy:
        yield proxy


async def test_replies_come_in_order_with_errors_in_their_place(client: connection.Client) -> None:
    commands = [("SET", "a", b"\x00\xff"), ("INCR", "a"), ("GET", "a"), ("HSET", "h", "f", 1), ("HGETALL", "h")]
    set_reply, error, got, added, pairs = await client.wire.send(commands)
    assert (set_reply, got, added, pairs) == (b"OK", b"\x00\xff", 1, {b"f": b"1"})
    assert isinstance(error, exceptions.ResponseError)


async def test_a_null_and_a_false_are_replies(client: connection.Client) -> None:
    assert await client.wire.send([("GET", "none"), ("PING",)]) == [None, b"PONG"]
    assert await client.wire.send([("EVAL", "redis.setresp(3) return false", 0)]) == [False]
    assert await client.wire.send([]) == []


async def test_a_reply_larger_than_one_read_is_whole(client: connection.Client) -> None:
    large = b"x" * 3_000_000
    assert await client.wire.send([("SET", "a", large), ("GET", "a"), ("GET", "a")]) == [b"OK", large, large]


async def test_callers_at_once_get_their_own_replies(client: connection.Client) -> None:
    answers = await asyncio.gather(*(client.wire.send([("ECHO", n), ("ECHO", n)]) for n in range(40)))
    assert answers == [[b"%d" % n, b"%d" % n] for n in range(40)]


async def test_forgotten_scripts_are_sent_in_full(client: connection.Client) -> None:
    await client.script_flush()
    script = scripts.load("append")
    _, digests = await client.wire.send([("SET", "a", 1), ("SCRIPT", "EXISTS", script.sha)])
    assert digests == [0]
    answers = await scripts.run_all(client, [(scripts.load("frontier"), ["log", "recorded"], ())] * 2)
    assert not any(isinstance(answer, BaseException) for answer in answers)


async def test_a_cancelled_call_leaves_no_reply_for_the_next(proxy: Proxy) -> None:
    client = connection.connect(proxy.url)
    await client.wire.send([("PING",)])
    proxy.delay(0.2)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.wire.send([("ECHO", "old")]), 0.1)
    proxy.heal()
    assert await client.wire.send([("ECHO", "new")]) == [b"new"]
    await client.aclose()


async def test_no_reply_in_time_is_an_error_and_not_repeated(proxy: Proxy) -> None:
    client = connection.connect(proxy.url, 0.2, patient=False)
    await client.wire.send([("PING",)])
    proxy.mute()
    with pytest.raises(exceptions.TimeoutError, match=r"no reply within 0\.2 s"):
        await client.wire.send([("INCR", "a")])
    proxy.heal()
    assert await client.wire.send([("GET", "a")]) == [b"1"]
    await client.aclose()


async def test_what_breaks_is_sent_again(proxy: Proxy) -> None:
    client = connection.connect(proxy.url)
    proxy.lose_reply(b"INCR")
    assert await client.wire.send([("INCR", "a")]) == [2]
    proxy.reset()
    assert await client.wire.send([("GET", "a")]) == [b"2"]
    await client.aclose()


async def test_a_store_that_is_away_or_loading_is_an_error(valkey_server: ValkeyServer) -> None:
    client = connection.connect(valkey_server.url)
    await client.wire.send([("SET", "a", 1)])
    valkey_server.kill9()
    with pytest.raises(exceptions.ConnectionError):
        await client.wire.send([("GET", "a")])
    valkey_server.start()
    assert await client.wire.send([("GET", "a")]) == [b"1"]
    await client.aclose()
