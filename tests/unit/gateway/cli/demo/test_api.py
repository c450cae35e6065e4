"""The demo's client against answers of every kind."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.cli.demo.api import Api, ApiFailed
from tests.support.valkey import free_port

ANSWERS = {
    "/good": (200, b'{"id":"evt_1"}'),
    "/none": (204, b""),
    "/missing": (404, b'{"code":"not_found"}'),
    "/refused": (422, b'{"code":"invalid_request","detail":"no kind"}'),
}


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    path = head.split(" ")[1].partition("?")[0]
    status, body = ANSWERS[path] if "authorization: Bearer hk_1\r\n" in head else (401, b"")
    length = "" if status == 204 else f"content-length: {len(body)}\r\n"
    writer.write(f"HTTP/1.1 {status} X\r\n{length}connection: close\r\n\r\n".encode() + body)
    await writer.drain()
    writer.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Api(f"http://127.0.0.1:{port}", "hk_1") as client:
        yield client


async def test_good_answers(api: Api) -> None:
    assert await api.get("/good", limit=1) == {"id": "evt_1"}
    assert await api.post("/good", {"type": "a"}) == {"id": "evt_1"}
    assert await api.put("/good", {}) == {"id": "evt_1"}
    assert await api.find("/good") == {"id": "evt_1"}
    assert await api.delete("/none") is True


async def test_what_is_missing_can_be_asked_for(api: Api) -> None:
    assert await api.find("/missing") is None
    assert await api.delete("/missing") is False
    with pytest.raises(ApiFailed, match="GET /missing: 404"):
        await api.get("/missing")


async def test_a_problem_is_repeated(api: Api) -> None:
    with pytest.raises(ApiFailed, match=r"POST /refused: 422 .*no kind"):
        await api.post("/refused")


async def test_no_answer_is_told() -> None:
    async with Api(f"http://127.0.0.1:{free_port()}", "hk_1") as api:
        with pytest.raises(ApiFailed, match="GET /good: no answer"):
            await api.get("/good")
