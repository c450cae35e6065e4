"""A load generator outlives what it loads, however much waits for a connection."""

import asyncio

from tests.support.waiting import until
from tests.support.wire import Wire, WirePool

MANY = 5_000


async def test_a_connection_that_breaks_is_replaced_and_what_waits_does_not_pile_up_on_it() -> None:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.transport.abort()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    pool = WirePool("127.0.0.1", server.sockets[0].getsockname()[1], 1)
    await pool.open()
    waiting, answers = MANY, 0

    def answered(wire: Wire, status: int, _body: bytes) -> None:
        nonlocal answers
        answers += 1
        pool.release(wire)

    def idle(wire: Wire) -> None:
        nonlocal waiting
        waiting -= 1
        wire.send(b"GET / HTTP/1.1\r\n\r\n", answered)

    pool.on_idle = idle
    idle(pool.idle.popleft())
    await until(lambda: answers >= 3, 10, "three connections one after the other")
    assert waiting > MANY - 10
    pool.close()
    server.close()
