"""One connection, byte by byte, from the client's side."""

import asyncio

import msgspec
import pytest

from gateway.api.http1.shared import Times
from tests.integration.gateway.api.http1.server import Peer, Served, request, serving
from tests.support.waiting import until

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


async def problem(peer: Peer) -> tuple[int, str]:
    """Status and code of the answer; the connection must close after it."""
    status, headers, body = await peer.answer()
    assert headers[b"connection"] == b"close"
    assert headers[b"content-type"] == b"application/problem+json"
    document = msgspec.json.decode(body)
    assert document["request_id"].encode() == headers[b"x-request-id"]
    assert await peer.ends() == b""
    return status, document["code"]


async def test_keep_alive_in_order_with_length_and_date(served: Served) -> None:
    peer = await served.connect()
    for path in (b"/a", b"/b?c=d"):
        await peer.send(request(b"POST", path, body=b"hello"))
        status, headers, body = await peer.answer()
        assert (status, body) == (200, b"POST %b hello" % path.partition(b"?")[0])
        assert headers[b"date"].endswith(b" GMT")
        assert b"connection" not in headers


async def test_pipelined_requests_are_answered_in_order(served: Served) -> None:
    peer = await served.connect()
    served.echo.gate.clear()
    await peer.send(b"".join(request(b"POST", b"/%d" % n, body=b"x" * n) for n in range(1, 50)))
    served.echo.gate.set()
    for n in range(1, 50):
        assert (await peer.answer())[2] == b"POST /%d " % n + b"x" * n


@pytest.mark.parametrize("size", [1, 7, 4_096])
async def test_however_the_bytes_are_cut(served: Served, size: int) -> None:
    peer = await served.connect()
    data = request(b"POST", b"/a", body=b"hello") + CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"
    for start in range(0, len(data), size):
        await peer.send(data[start : start + size])
    assert (await peer.answer())[2] == b"POST /a hello"
    assert (await peer.answer())[2] == b"POST / abc"


MALFORMED: list[tuple[str, bytes]] = [
    ("length and chunks", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ("chunks and length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
    ("the same length twice", POST + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
    ("a list of lengths", POST + b"Content-Length: 5, 5\r\n\r\nhello"),
    ("+2", POST + b"Content-Length: +2\r\n\r\nhi"),
    ("-1", POST + b"Content-Length: -1\r\n\r\nhi"),
    ("0x2", POST + b"Content-Length: 0x2\r\n\r\nhi"),
    ("an empty length", POST + b"Content-Length: \r\n\r\nhi"),
    ("a huge length", POST + b"Content-Length: 99999999999999999999999\r\n\r\nhi"),
    ("arabic digits", POST + "Content-Length: ٢\r\n\r\nhi".encode()),
    ("HTTP/0.9", b"GET /\r\n"),
    ("HTTP/0.9 with an empty line", b"GET /\r\n\r\n"),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
    ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n"),
    ("NUL in a name", b"GET / HTTP/1.1\r\nHost: x\r\nA\0: b\r\n\r\n"),
    ("a bare CR", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n"),
    ("bare LFs", b"GET / HTTP/1.1\nHost: x\n\n"),
    ("a folded header", b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n"),
    ("a space before the colon", POST + b"Content-Length : 2\r\n\r\nhi"),
    ("a space in the target", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("bytes above ASCII in the target", b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("an unknown method", b"FOO / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
    ("an absolute target that is none", b"GET http:// HTTP/1.1\r\nHost: x\r\n\r\n"),
]


@pytest.mark.parametrize("data", [row[1] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
async def test_what_is_not_http_is_400_and_closed(served: Served, data: bytes) -> None:
    peer = await served.connect()
    await peer.send(data)
    assert await problem(peer) == (400, "malformed_request")
    assert served.echo.seen == []


@pytest.mark.parametrize("size", [b"zz", b"-1", b"+5", b"0x5", b"5 5", b"f" * 17, b" 5"])
async def test_a_bad_chunk_size_ends_the_body(served: Served, size: bytes) -> None:
    peer = await served.connect()
    await peer.send(CHUNKED + size + b"\r\nhello\r\n0\r\n\r\n")
    assert (await peer.answer())[1][b"connection"] == b"close"
    assert served.echo.disconnected.is_set()
    assert await peer.ends() == b""


async def test_what_came_before_something_malformed_is_answered_first(served: Served) -> None:
    peer = await served.connect()
    await peer.send(request(b"POST", b"/a", body=b"hello") + b"rubbish\r\n\r\n")
    assert (await peer.answer())[2] == b"POST /a hello"
    assert await problem(peer) == (400, "malformed_request")


async def test_endless_heads_are_cut(served: Served) -> None:
    for data, expected in (
        (b"GET /" + b"a" * 100_000, (414, "uri_too_long")),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 100_000, (431, "headers_too_large")),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20_000, (431, "headers_too_large")),
    ):
        peer = await served.connect()
        await peer.send(data)
        assert await problem(peer) == expected


@pytest.mark.parametrize("more", [b"5;" + b"x" * 200_000, b"5\r\nhello\r\n0\r\nTrailer: " + b"x" * 200_000])
async def test_endless_chunk_extensions_and_trailers_are_cut(served: Served, more: bytes) -> None:
    peer = await served.connect()
    await peer.send(CHUNKED + more)
    assert (await peer.answer())[1][b"connection"] == b"close"
    assert await peer.ends() == b""


async def test_trailers_are_not_headers(served: Served) -> None:
    peer = await served.connect()
    await peer.send(CHUNKED + b"1\r\na\r\n0\r\nAuthorization: x\r\n\r\n" + request(b"GET", b"/next"))
    assert (await peer.answer())[2] == b"POST / a"
    assert (await peer.answer())[2] == b"GET /next "
    assert all(name != b"authorization" for scope in served.echo.seen for name, _ in scope["headers"])


async def test_slow_heads_get_408_and_silence_is_closed(served: Served) -> None:
    slow, silent, idle = await served.connect(), await served.connect(), await served.connect()
    await slow.send(b"GET / HT")
    await idle.send(request())
    await idle.answer()
    assert await problem(slow) == (408, "request_timeout")
    assert await silent.ends() == b""
    assert await idle.ends() == b""
    assert len(served.echo.seen) == 1


async def test_a_head_that_drips_is_not_given_more_time(served: Served) -> None:
    peer = await served.connect()
    for byte in b"GET / HTTP/1.1\r\nA: bbbbbbbbbbbbbbbbbb":
        await peer.send(bytes([byte]))
    assert await problem(peer) == (408, "request_timeout")


async def test_a_body_is_not_timed_here_but_by_its_reader(served: Served) -> None:
    async with serving(Times(new=0.3, head=0.3, idle=0.3)) as other:
        peer = await other.connect()
        await peer.send(POST + b"Content-Length: 5\r\n\r\nhe")
        with pytest.raises(TimeoutError):
            await peer.ends(1.0)
        await peer.send(b"llo")
        assert (await peer.answer())[2] == b"POST / hello"


async def test_an_answer_before_the_body_closes_without_a_reset(served: Served) -> None:
    served.echo.reads = False
    peer = await served.connect()
    await peer.send(POST + b"Content-Length: 5000000\r\n\r\n" + b"a" * 500_000)
    status, headers, _ = await peer.answer()
    assert (status, headers[b"connection"]) == (200, b"close")
    assert await peer.ends() == b""


async def test_a_body_waits_with_the_client_until_it_is_read(served: Served) -> None:
    served.echo.reads = False
    served.echo.gate.clear()
    peer = await served.connect()
    body = b"a" * 50_000_000
    peer.writer.write(POST + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await peer.writer.drain()
    served.echo.gate.set()
    assert (await peer.answer())[0] == 200


async def test_large_bodies_arrive_whole(served: Served) -> None:
    peer = await served.connect()
    body = bytes(range(256)) * 8_000
    await peer.send(request(b"POST", b"/", body=body))
    assert (await peer.answer())[2] == b"POST / " + body


async def test_100_continue_only_when_the_body_is_wanted(served: Served) -> None:
    peer = await served.connect()
    await peer.send(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert await peer.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await peer.send(b"hello")
    assert (await peer.answer())[2] == b"POST / hello"
    served.echo.reads = False
    await peer.send(POST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    status, headers, _ = await peer.answer()
    assert (status, headers[b"connection"]) == (200, b"close")


async def test_head_and_close_and_1_0(served: Served) -> None:
    peer = await served.connect()
    await peer.send(request(b"HEAD"))
    assert (await peer.answer(head_only=True))[1][b"content-length"] == b"7"
    await peer.send(request(b"GET", b"/", b"Connection: close"))
    assert (await peer.answer())[1][b"connection"] == b"close"
    assert await peer.ends() == b""
    old = await served.connect()
    await old.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert (await old.answer())[1][b"connection"] == b"close"
    assert await old.ends() == b""


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
async def test_upgrades_are_ordinary_requests_and_the_last(served: Served, upgrade: bytes) -> None:
    peer = await served.connect()
    await peer.send(request(b"GET", b"/", b"Connection: Upgrade", b"Upgrade: " + upgrade) + b"more")
    status, headers, _ = await peer.answer()
    assert (status, headers[b"connection"]) == (200, b"close")
    assert await peer.ends() == b""


async def test_connect_is_an_ordinary_request_too(served: Served) -> None:
    peer = await served.connect()
    await peer.send(b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await peer.answer())[1][b"connection"] == b"close"
    assert served.echo.seen[0]["method"] == "CONNECT"


async def test_half_closed_clients_get_their_answer(served: Served) -> None:
    served.echo.gate.clear()
    peer = await served.connect()
    await peer.send(request(b"POST", b"/", body=b"hello"))
    peer.writer.write_eof()
    served.echo.gate.set()
    assert (await peer.answer())[2] == b"POST / hello"
    assert await peer.ends() == b""


@pytest.mark.parametrize("cut", [b"", b"G", b"GET / HTTP/1.1\r\nHost"])
async def test_half_closed_before_a_whole_head_is_closed(served: Served, cut: bytes) -> None:
    peer = await served.connect()
    await peer.send(cut)
    peer.writer.write_eof()
    assert await peer.ends() == b""
    assert served.echo.seen == []


async def test_a_client_that_goes_away_in_the_body_is_noticed(served: Served) -> None:
    peer = await served.connect()
    await peer.send(POST + b"Content-Length: 5\r\n\r\nhe")
    peer.writer.transport.abort()
    await asyncio.wait_for(served.echo.disconnected.wait(), 5)


async def test_a_client_that_does_not_read_its_answer_is_cut_off(served: Served) -> None:
    served.echo.extra = b"x" * 50_000_000
    peer = await served.connect()
    await peer.send(request())
    await until(lambda: served.listener.connections == 0, 10, "the connection is cut off")


async def test_an_application_without_an_answer_ends_the_connection(served: Served) -> None:
    served.echo.answers = False
    peer = await served.connect()
    await peer.send(request())
    assert await peer.ends() == b""
