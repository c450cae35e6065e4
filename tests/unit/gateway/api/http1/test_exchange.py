"""One request and its answer."""

import asyncio

from gateway.api.http1.exchange import WINDOW, Exchange


class Peer:
    """What an exchange told its connection."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def finish(self, exchange: Exchange) -> None:
        """Remember."""
        self.said.append(f"finish {exchange.status} {exchange.answer.decode()}")

    def invite(self) -> None:
        """Remember."""
        self.said.append("invite")

    def want_more(self) -> None:
        """Remember."""
        self.said.append("more")

    def abort(self) -> None:
        """Remember."""
        self.said.append("abort")


def exchange(*, expects: bool = False) -> tuple[Exchange, Peer]:
    """An exchange and its connection."""
    peer = Peer()
    return Exchange(peer, {}, keep_alive=True, expects=expects), peer


async def test_a_body_that_is_there_is_one_message() -> None:
    found, _ = exchange()
    found.body(b"a")
    found.body(b"b")
    found.end()
    assert await found.receive() == {"type": "http.request", "body": b"ab", "more_body": False}


async def test_no_body_is_one_empty_message() -> None:
    found, _ = exchange()
    found.end()
    assert await found.receive() == {"type": "http.request", "body": b"", "more_body": False}


async def test_a_body_that_comes_later_is_waited_for() -> None:
    found, peer = exchange()
    waiting = asyncio.create_task(found.receive())
    asyncio.get_running_loop().call_soon(found.body, b"a")
    assert (await waiting)["more_body"] is True
    assert peer.said == ["more"]
    found.end()
    assert await found.receive() == {"type": "http.request", "body": b"", "more_body": False}


async def test_a_client_that_goes_away() -> None:
    found, _ = exchange()
    found.body(b"a")
    found.disconnect()
    assert (await found.receive())["body"] == b"a"
    assert await found.receive() == {"type": "http.disconnect"}


async def test_after_the_body_receive_waits_for_the_end() -> None:
    found, _ = exchange()
    found.end()
    await found.receive()
    asyncio.get_running_loop().call_soon(found.disconnect)
    assert await found.receive() == {"type": "http.disconnect"}


async def test_a_client_is_invited_once_and_only_if_it_waits() -> None:
    found, peer = exchange(expects=True)
    asyncio.get_running_loop().call_soon(found.body, b"a")
    await found.receive()
    found.end()
    await found.receive()
    assert peer.said == ["invite", "more"]
    whole, other = exchange(expects=True)
    whole.end()
    await whole.receive()
    assert other.said == []


def test_what_waits_is_counted() -> None:
    found, _ = exchange()
    found.body(b"a" * WINDOW)
    assert not found.is_backed_up
    found.body(b"a")
    assert found.is_backed_up


async def test_an_answer_is_collected_and_given_once() -> None:
    found, peer = exchange()
    await found.send({"type": "http.response.start", "status": 202, "headers": []})
    await found.send({"type": "http.response.body", "body": b"a", "more_body": True})
    await found.send({"type": "http.response.body", "body": b"b"})
    await found.send({"type": "http.response.body", "body": b"c"})
    found.abandon()
    assert peer.said == ["finish 202 ab"]


def test_an_exchange_without_an_answer_aborts() -> None:
    found, peer = exchange()
    found.abandon()
    found.abandon()
    assert peer.said == ["abort"]
