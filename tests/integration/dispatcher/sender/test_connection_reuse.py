"""Which connections are used again, and which must not be."""

import pytest

from dispatcher.sender import Limits
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary, Peer, Script
from tests.support.waiting import until

EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


@pytest.mark.parametrize(
    "response",
    [
        OK,
        EMPTY,
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx: y\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 500 No\r\ncontent-length: 60000\r\n\r\n" + b"x" * 60_000,
    ],
)
async def test_a_connection_is_used_again(harness: Harness, response: bytes) -> None:
    async with Adversary(adversaries.answer(response)) as receiver:
        for _ in range(3):
            await harness.answered(harness.destination(receiver.port))
    assert receiver.connections == 1
    assert receiver.requests == [REQUEST] * 3


@pytest.mark.parametrize(
    ("response", "body"),
    [
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", b"ok"),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nraw", b"raw"),
    ],
)
async def test_a_connection_that_ends_with_its_answer(harness: Harness, response: bytes, body: bytes) -> None:
    async with Adversary(adversaries.answer_and_close(response)) as receiver:
        for _ in range(2):
            assert (await harness.answered(harness.destination(receiver.port))).body == body
    assert receiver.connections == 2


async def test_a_connection_is_closed_by_us_if_the_answer_says_so(harness: Harness) -> None:
    response = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
    async with Adversary(adversaries.answer(response)) as receiver:
        await harness.answered(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 1, 5, "our close")


async def test_no_second_attempt_hides_behind_a_kept_alive_connection(harness: Harness) -> None:
    async def close_on_the_second(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        await peer.request()

    async with Adversary(close_on_the_second) as receiver:
        destination = harness.destination(receiver.port)
        await harness.answered(destination)
        failed = await harness.failed(destination)
        assert failed.error == "reset"
        assert failed.detail.endswith("before any byte of the response on a connection kept alive")
        assert receiver.requests == [REQUEST] * 2
        assert receiver.connections == 1


async def test_a_connection_closed_while_idle_is_not_used(harness: Harness) -> None:
    async with Adversary(adversaries.answer_and_close(OK)) as receiver:
        for _ in range(3):
            await harness.answered(harness.destination(receiver.port))
            await until(harness.sender._pool.empty, 5, "its close")
    assert receiver.connections == 3


@pytest.mark.parametrize("script", [adversaries.answer_and_close(OK), adversaries.answer_and_reset(OK)])
async def test_an_end_that_the_loop_has_not_seen_yet_is_found_by_looking(script: Script) -> None:
    async with Adversary(script) as receiver, Harness(Limits(peek_after_seconds=0)) as harness:
        destination = harness.destination(receiver.port)
        for _ in range(2):
            await harness.answered(destination)
            await until(lambda: receiver.closed_connections == receiver.connections, 5, "its close")
    assert receiver.requests == [REQUEST] * 2


@pytest.mark.parametrize("more", [b"X", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", b"HTTP/1.1 200"])
async def test_bytes_behind_the_answer_never_answer_the_next_request(harness: Harness, more: bytes) -> None:
    async with Adversary(adversaries.answer(OK + more)) as receiver:
        for _ in range(3):
            assert (await harness.answered(harness.destination(receiver.port))).body == b"ok"
    assert receiver.connections == 3


async def test_bytes_that_nobody_asked_for_close_an_idle_connection(harness: Harness) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.say(OK)
        receiver.arrived.clear()
        await receiver.arrived.wait()
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        await peer.closed()

    async with Adversary(talk) as receiver:
        assert (await harness.answered(harness.destination(receiver.port))).body == b"ok"
        receiver.arrived.set()
        await until(lambda: receiver.closed_connections == 1, 5, "our close")


async def test_an_answer_before_the_request_is_read_is_taken_and_ends_the_connection(harness: Harness) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
        await peer.closed()

    request = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 20000000\r\n\r\n"
    async with Adversary(refuse) as receiver:
        answered = await harness.answered(harness.destination(receiver.port), [request, bytes(20_000_000)])
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
    assert answered.status == 413


async def test_an_announced_idle_time_is_heeded_with_a_margin(harness: Harness) -> None:
    response = b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n"
    async with Adversary(adversaries.answer(response)) as receiver:
        for _ in range(2):
            await harness.answered(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 2, 5, "our close")
