"""Reading a body within a size and a time."""

import asyncio
from typing import Any

import pytest

from gateway.api.body import read_body
from gateway.problems import Problem
from tests.support.asgi import Client


async def refused(client: Client, headers: dict[bytes, bytes], limit: int = 10, seconds: float = 10.0) -> str:
    """The code of the problem."""
    with pytest.raises(Problem) as caught:
        await read_body(client.receive, headers, limit, seconds)
    return caught.value.code


async def test_one_part_many_parts_none() -> None:
    assert await read_body(Client(b"hello").receive, {}, 10) == b"hello"
    assert await read_body(Client(b"he", b"", b"llo").receive, {}, 10) == b"hello"
    assert await read_body(Client().receive, {}, 10) == b""
    assert await read_body(Client(b"0123456789").receive, {b"content-length": b"10"}, 10) == b"0123456789"


@pytest.mark.parametrize("length", [b"11", b"99999999999999999999999999", b"1" * 5_000])
async def test_too_long_by_its_length_is_refused_before_anything_is_read(length: bytes) -> None:
    client = Client(b"x")
    assert await refused(client, {b"content-length": length}) == "payload_too_large"
    assert client.read == 0


async def test_too_long_by_counting_is_refused_at_the_first_byte_too_many() -> None:
    client = Client(b"01234", b"56789", b"x", b"never read", b"never read")
    assert await refused(client, {}) == "payload_too_large"
    assert client.read == 3


async def test_a_body_that_ends_early_is_malformed() -> None:
    assert await refused(Client(b"01", complete=False), {}) == "malformed_request"


async def test_a_body_that_comes_too_slowly() -> None:
    never = asyncio.Event()

    class Slow(Client):
        async def receive(self) -> dict[str, Any]:
            await never.wait()
            raise AssertionError

    assert await refused(Slow(), {}, seconds=0.01) == "request_timeout"
