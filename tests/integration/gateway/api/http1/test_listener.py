"""Listening and ending."""

import asyncio

import pytest

from gateway.api.http1.listener import Listener
from gateway.clock import SystemClock
from tests.integration.gateway.api.http1.server import Echo, Served, request
from tests.support.waiting import until


async def test_a_taken_port_is_an_error(served: Served) -> None:
    with pytest.raises(OSError, match="address already in use"):
        await Listener(Echo().__call__, SystemClock()).open("127.0.0.1", served.port)


async def test_closing_answers_what_was_accepted_and_accepts_no_more(served: Served) -> None:
    served.echo.gate.clear()
    busy, idle, half = await served.connect(), await served.connect(), await served.connect()
    await busy.send(request(b"GET", b"/busy"))
    await idle.send(request(b"POST", b"/slow", b"Content-Length: 2") + b"a")
    await half.send(b"GET / HTTP/1.1\r\n")
    await until(lambda: len(served.echo.seen) == 2, 5, "both requests run")
    closing = asyncio.create_task(served.listener.close(5.0))
    assert await half.ends() == b""
    await idle.send(b"b")
    served.echo.gate.set()
    for peer, body in ((busy, b"GET /busy "), (idle, b"POST /slow ab")):
        _, headers, found = await peer.answer()
        assert (headers[b"connection"], found) == (b"close", body)
        assert await peer.ends() == b""
    assert await closing is True
    with pytest.raises(ConnectionError):
        await served.connect()


async def test_closing_at_once_without_requests(served: Served) -> None:
    peer = await served.connect()
    await peer.send(request())
    await peer.answer()
    assert await served.listener.close(60.0) is True
    assert await peer.ends() == b""


async def test_what_does_not_end_is_cut_off(served: Served) -> None:
    served.echo.gate.clear()
    peer = await served.connect()
    await peer.send(request())
    await until(lambda: served.echo.seen, 5, "the request runs")
    assert await served.listener.close(0.05) is False
    assert await peer.ends() == b""
    assert served.listener.connections == 0


async def test_a_client_that_does_not_read_cannot_hold_the_end_up(served: Served) -> None:
    served.echo.extra = b"x" * 50_000_000
    peer = await served.connect()
    await peer.send(request())
    await until(lambda: served.echo.ended, 5, "the answer is written")
    await served.listener.close(0.05)
    assert served.listener.connections == 0


async def test_many_connections_at_once(served: Served) -> None:
    peers = [await served.connect() for _ in range(200)]
    for number, peer in enumerate(peers):
        await peer.send(request(b"GET", b"/%d" % number))
    for number, peer in enumerate(peers):
        assert (await peer.answer())[2] == b"GET /%d " % number
