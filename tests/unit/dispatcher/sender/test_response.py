import gzip

import pytest
from hypothesis import given, strategies

from dispatcher.sender.limits import Limits
from dispatcher.sender.response import Response
from dispatcher.sender.result import Answered

LIMITS = Limits(head_bytes=1_000, success_body_bytes=10, failure_body_bytes=100, drain_bytes=1_000)


def fed(*pieces: bytes) -> Response:
    response = Response(LIMITS)
    for piece in pieces:
        response.feed(piece)
    return response


def answered(response: Response) -> Answered:
    assert response.complete
    assert response.failure is None
    return response.answered("192.0.2.1", 1.5)


def test_a_response_in_one_piece() -> None:
    response = fed(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\ncontent-length: 2\r\n\r\nok")
    assert answered(response) == Answered(
        status=200,
        headers=[(b"X-A", b"1"), (b"x-a", b"2"), (b"content-length", b"2")],
        body=b"ok",
        body_truncated=False,
        remote_address="192.0.2.1",
        duration_ms=1.5,
    )
    assert response.keep_alive


@given(strategies.data())
def test_pieces_make_no_difference(data: strategies.DataObject) -> None:
    whole = (
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 500 Oh\r\nTransfer-Encoding: chunked\r\nX: long value\r\n\r\n"
        b"5;note=1\r\nabcde\r\n3\r\nfgh\r\n0\r\ntrailer: t\r\n\r\n"
    )
    response = Response(LIMITS)
    rest = whole
    while rest:
        size = data.draw(strategies.integers(1, len(rest)))
        response.feed(rest[:size])
        rest = rest[size:]
        assert response.complete == (not rest)
    result = answered(response)
    assert (result.status, result.body) == (500, b"abcdefgh")
    assert result.headers == [(b"Transfer-Encoding", b"chunked"), (b"X", b"long value")]
    assert response.keep_alive


def test_reset_expects_the_next_response() -> None:
    response = fed(b"HTTP/1.1 500 Oh\r\na: b\r\ncontent-length: 200\r\n\r\n" + b"x" * 200)
    assert answered(response).body_truncated
    response.reset()
    assert not response.begun
    response.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answered(response) == Answered(204, [], b"", False, "192.0.2.1", 1.5)


@pytest.mark.parametrize(
    ("status", "length", "kept"), [(200, 10, 10), (299, 11, 10), (300, 11, 11), (404, 100, 100), (500, 101, 100)]
)
def test_a_short_beginning_of_the_body_is_kept(status: int, length: int, kept: int) -> None:
    body = bytes(range(200))[:length]
    response = fed(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n" % (status, length), body[:7], body[7:])
    result = answered(response)
    assert result.body == body[:kept]
    assert result.body_truncated == (kept < length)
    assert response.keep_alive


def test_a_compressed_body_stays_compressed() -> None:
    bomb = gzip.compress(b"\0" * 1_000_000)
    response = fed(
        b"HTTP/1.1 500 X\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb), bomb[:500], bomb[500:]
    )
    assert answered(response).body == bomb[:100]


def test_a_long_body_is_drained_up_to_a_bound_then_cut() -> None:
    response = fed(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")
    for _ in range(11):
        response.feed(b"x" * 100)
        assert not response.complete
    response.feed(b"x")
    assert answered(response).body == b"x" * 10
    assert answered(response).body_truncated
    assert not response.keep_alive


@pytest.mark.parametrize("again", [b"e" * 90, b"t: 1\r\n" * 15])
def test_framing_without_data_is_cut_too(again: bytes) -> None:
    start = b"1;" if again.startswith(b"e") else b"0\r\n"
    response = fed(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", start)
    fed_bytes = 0
    while not response.complete:
        response.feed(again)
        fed_bytes += len(again)
        assert fed_bytes <= 2_200
    assert answered(response).body_truncated
    assert not response.keep_alive


def head_of(size: int) -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\npad: %b\r\n\r\n"
    return head % (b"x" * (size - len(head) + 2))


@pytest.mark.parametrize("step", [1, 7, 999, 1_000, 1_001, 5_000])
def test_the_head_is_counted_to_the_byte(step: int) -> None:
    for size in (1_000, 1_001):
        head = head_of(size)
        assert len(head) == size
        whole = head + b"abc"
        response = fed(*(whole[start : start + step] for start in range(0, len(whole), step)))
        if size == 1_000:
            assert answered(response).body == b"abc"
        else:
            assert response.failure == ("head_too_large", "the response head exceeds 1000 bytes")
            assert not response.complete


def test_interim_responses_count_as_head() -> None:
    interim = b"HTTP/1.1 102 Processing\r\n\r\n"
    assert fed(*[interim] * 37).failure is None
    assert fed(*[interim] * 38).failure == ("head_too_large", "the response head exceeds 1000 bytes")


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 20 Short\r\n\r\n",
        b"HTTP/1.1 2000 Long\r\n\r\n",
        b"HTTP/3.0 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nspace : x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\na: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: +1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
    ],
)
def test_what_is_no_response_is_a_protocol_error(data: bytes) -> None:
    response = fed(data)
    assert not response.complete
    assert response.failure is not None
    assert response.failure[0] == "protocol"
    assert response.failure[1].isprintable()


@pytest.mark.parametrize(
    "more", [b"X", b"H", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 500 No\r\na: b\r\ncontent-length: 3\r\n\r\nbad"]
)
def test_bytes_after_a_response_end_the_connection_and_change_nothing(more: bytes) -> None:
    response = fed(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" + more)
    assert answered(response).status == 200
    assert answered(response).body == b"ok"
    assert not response.keep_alive


def test_bytes_after_a_long_head_end_the_connection_too() -> None:
    response = fed(head_of(999) + b"abc" + b"HTTP/1.1 500 No\r\n\r\n")
    assert answered(response).body == b"abc"
    assert not response.keep_alive


@pytest.mark.parametrize(
    ("head", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_reuse_follows_version_and_connection_header(head: bytes, keep_alive: bool) -> None:
    response = fed(head + b"content-length: 0\r\n\r\n")
    assert answered(response).body == b""
    assert response.keep_alive is keep_alive


@pytest.mark.parametrize(
    ("head", "completes"),
    [
        (b"HTTP/1.0 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", False),
    ],
)
def test_the_end_of_the_stream_completes_a_body_without_frame_only(head: bytes, completes: bool) -> None:
    response = fed(head + b"\r\n", b"1\r\n")
    assert response.end() is completes
    assert response.complete is completes
    if completes:
        assert answered(response).body == b"1\r\n"
        assert not response.keep_alive


def test_the_end_of_the_stream_completes_no_head() -> None:
    assert not Response(LIMITS).end()
    assert not fed(b"HTTP/1.1 200 OK\r\ncontent-le").end()
    assert not fed(b"HTTP/1.1 100 Continue\r\n\r\n").end()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"Keep-Alive: timeout=5, max=100", 5.0),
        (b"keep-alive: max=3,TIMEOUT=60", 60.0),
        (b"keep-alive: timeout=x", None),
        (b"keep-alive: timeout=-1", None),
        (b"keep-alive: timeout=" + b"9" * 400, 999_999_999.0),
        (b"x: timeout=5", None),
    ],
)
def test_announced_idle_time(header: bytes, seconds: float | None) -> None:
    response = fed(b"HTTP/1.1 200 OK\r\n" + header + b"\r\ncontent-length: 0\r\n\r\n")
    assert response.announced_idle_seconds() == seconds


@given(strategies.lists(strategies.binary(max_size=200), max_size=20))
def test_whatever_comes_memory_and_outcome_are_bounded(pieces: list[bytes]) -> None:
    response = Response(LIMITS)
    for piece in [b"HTTP/1.1 200 OK\r\n", *pieces]:
        response.feed(piece)
        if response.complete or response.failure:
            break
    if response.complete:
        assert len(answered(response).body) <= 10
