"""Connecting: to the first address that accepts, within a time limit for each."""

import pytest

from dispatcher.sender.connecting import connect, connect_first
from tests.integration.dispatcher.sender.harness import has_ipv6
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.valkey import free_port


async def test_the_first_that_accepts() -> None:
    async with Adversary(adversaries.answer(OK)) as receiver:
        connected = await connect_first(["127.0.0.2", "127.0.0.1"], receiver.port, 5.0)
        assert connected.getpeername() == ("127.0.0.1", receiver.port)
        connected.close()


async def test_nobody_accepts() -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect_first(["127.0.0.2", "127.0.0.1"], free_port(), 5.0)
    with pytest.raises(OSError, match="no address"):
        await connect_first([], 1, 5.0)


async def test_nobody_answers() -> None:
    with adversaries.blackhole() as port, pytest.raises(TimeoutError):
        await connect("127.0.0.1", port, 0.1)


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
async def test_ipv6() -> None:
    async with Adversary(adversaries.answer(OK), host="::1") as receiver:
        connected = await connect("::1", receiver.port, 5.0)
        assert connected.getpeername()[:2] == ("::1", receiver.port)
        connected.close()
