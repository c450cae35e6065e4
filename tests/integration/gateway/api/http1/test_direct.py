"""The direct way on a real connection: same order, same ends, and whatever it leaves goes the ordinary way."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.api.http1.direct import App, Prepared, Reply
from tests.integration.gateway.api.http1.server import Served, request, serving
from tests.support.waiting import pause, until

PATH = b"/direct"


class Route:
    """Takes requests to PATH; keeps their replies until told, or answers at once with the body."""

    def __init__(self) -> None:
        self.takes = True
        self.waits = False
        self.prepared = 0
        self.begun: list[tuple[bytes, Reply]] = []

    def prepare(self, scope: Any) -> Prepared | None:
        """Once per head."""
        if scope["raw_path"] != PATH:
            return None
        self.prepared += 1
        return self

    def begin(self, body: bytes, reply: Reply) -> bool:
        """Take it."""
        if not self.takes:
            return False
        self.begun.append((body, reply))
        if not self.waits:
            asyncio.get_running_loop().call_soon(reply.send, b"direct " + body)
        return True

    def headers(self, length: int) -> bytes:
        """Of its answers."""
        return b"content-length: %d\r\n" % length

    def failing(self, error: BaseException) -> App:
        """An application that tells."""

        async def app(_scope: Any, _receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": str(error).encode()})

        return app


@pytest.fixture
async def route() -> Route:
    return Route()


@pytest.fixture
async def served(route: Route) -> AsyncIterator[Served]:
    async with serving(prepare=route.prepare) as served:
        yield served


def post(body: bytes, path: bytes = PATH) -> bytes:
    return request(b"POST", path, body=body)


async def begun(route: Route, count: int) -> None:
    """Wait until so many requests were taken."""
    await until(lambda: len(route.begun) >= count, 5.0, f"{count} requests on the direct way")


async def test_a_head_is_prepared_once_and_known_again(served: Served, route: Route) -> None:
    peer = await served.connect()
    for body in (b"a", b"b", b"longer than ten bytes"):
        await peer.send(post(body))
        status, headers, answer = await peer.answer()
        assert (status, answer) == (202, b"direct " + body)
        assert b"date" in headers
        assert b"connection" not in headers
    assert (route.prepared, len(route.begun), served.echo.seen) == (1, 3, [])


async def test_requests_in_one_piece_are_answered_in_order(served: Served, route: Route) -> None:
    peer = await served.connect()
    for _ in range(2):
        await peer.send(post(b"1") + post(b"2", b"/echo") + post(b"3") + post(b"4"))
        answers = [(await peer.answer())[2] for _ in range(4)]
        assert answers == [b"direct 1", b"POST /echo 2", b"direct 3", b"direct 4"]


async def test_a_request_behind_one_that_runs_waits_for_it(served: Served, route: Route) -> None:
    peer = await served.connect()
    route.waits = True
    for first in (0, 2):
        await peer.send(post(b"1"))
        await begun(route, first + 1)
        await peer.send(post(b"2"))
        route.begun[first][1].send(b"one")
        assert (await peer.answer())[2] == b"one"
        await begun(route, first + 2)
        route.begun[first + 1][1].send(b"two")
        assert (await peer.answer())[2] == b"two"


async def test_a_request_in_pieces_goes_the_ordinary_way(served: Served, route: Route) -> None:
    peer = await served.connect()
    await peer.send(post(b"1"))
    await peer.answer()
    whole = post(b"12345")
    for cut in (10, len(whole) - 3):
        await peer.send(whole[:cut])
        if cut > len(whole) - 5:
            await until(lambda: served.echo.seen, 5.0)
        await peer.send(whole[cut:])
        assert (await peer.answer())[2].endswith(b"12345")
    assert len(served.echo.seen) == 1
    await peer.send(post(b"1"))
    assert (await peer.answer())[2] == b"direct 1"


async def test_what_is_not_taken_goes_the_ordinary_way(served: Served, route: Route) -> None:
    peer = await served.connect()
    route.takes = False
    for body in (b"a", b"bcdefghijkl", b"m"):
        await peer.send(post(body))
        assert (await peer.answer())[2] == b"POST /direct " + body
    route.takes = True
    await peer.send(post(b"n"))
    assert (await peer.answer())[2] == b"direct n"


async def test_what_was_taken_can_still_go_the_ordinary_way(served: Served, route: Route) -> None:
    peer = await served.connect()
    route.waits = True
    for number, body in enumerate((b"first", b"the second")):
        await peer.send(post(body))
        await begun(route, number + 1)
        route.begun[-1][1].again()
        assert (await peer.answer())[2] == b"POST /direct " + body
        assert dict(served.echo.seen[-1]["headers"])[b"content-length"] == b"%d" % len(body)
    await peer.send(post(b"x"))
    await begun(route, 3)
    route.begun[-1][1].fail(ValueError("why"))
    status, _, answer = await peer.answer()
    assert (status, answer) == (503, b"why")


async def test_a_client_that_went_away_harms_nobody(served: Served, route: Route) -> None:
    route.waits = True
    for count, last in enumerate(("send", "again"), 1):
        peer = await served.connect()
        await peer.send(post(b"1"))
        await begun(route, count)
        peer.writer.transport.abort()
        reply = route.begun[-1][1]
        reply.send(b"nobody reads it") if last == "send" else reply.again()
        await until(lambda: not served.listener.connections, 5.0)
    assert await served.listener.close(1.0)


async def test_a_client_that_ends_its_side_gets_its_answer(served: Served, route: Route) -> None:
    peer = await served.connect()
    route.waits = True
    await peer.send(post(b"1"))
    peer.writer.write_eof()
    await begun(route, 1)
    route.begun[0][1].send(b"one")
    assert (await peer.answer())[2] == b"one"
    assert await peer.ends() == b""


async def test_the_end_waits_for_answers_on_the_direct_way(served: Served, route: Route) -> None:
    peer = await served.connect()
    route.waits = True
    await peer.send(post(b"1"))
    await begun(route, 1)
    closing = asyncio.create_task(served.listener.close(5.0))
    await pause(0.01)
    assert not closing.done()
    route.begun[0][1].send(b"one")
    _, headers, answer = await peer.answer()
    assert (headers[b"connection"], answer) == (b"close", b"one")
    assert await closing


async def test_nobody_waits_longer_than_it_may(served: Served, route: Route) -> None:
    peer = await served.connect()
    await peer.send(post(b"1"))
    await peer.answer()
    assert await peer.ends(5.0) == b""
