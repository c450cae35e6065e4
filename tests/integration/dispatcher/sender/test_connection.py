"""One connection against receivers of every kind."""

import gzip
import logging

import pytest

from dispatcher.sender import Result
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.waiting import until

SHORT = 0.3


async def test_request_goes_out_and_answer_comes_back_byte_for_byte(harness: Harness) -> None:
    response = b"HTTP/1.1 503 Busy\r\nRetry-After: 5\r\nretry-after: 7\r\nContent-Length: 3\r\n\r\n\xff\x00\x01"
    async with Adversary(adversaries.answer(response)) as receiver:
        answered = await harness.answered(harness.destination(receiver.port))
    assert receiver.requests == [REQUEST]
    assert answered.status == 503
    assert answered.headers == [(b"Retry-After", b"5"), (b"retry-after", b"7"), (b"Content-Length", b"3")]
    assert answered.body == b"\xff\x00\x01"
    assert not answered.body_truncated
    assert answered.remote_address == "127.0.0.1"
    assert 0 < answered.duration_ms < 10_000


async def test_a_request_in_pieces(harness: Harness) -> None:
    async with Adversary(adversaries.answer(OK)) as receiver:
        await harness.answered(harness.destination(receiver.port), [REQUEST[:10], REQUEST[10:]])
    assert receiver.requests == [REQUEST]


async def test_a_redirect_is_an_answer_and_not_followed(harness: Harness) -> None:
    async with Adversary(adversaries.answer(OK)) as elsewhere:
        response = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:%d/\r\ncontent-length: 0\r\n\r\n"
        async with Adversary(adversaries.answer(response % elsewhere.port)) as receiver:
            assert (await harness.answered(harness.destination(receiver.port))).status == 302
    assert elsewhere.connections == 0


async def test_proxies_of_the_environment_are_not_used(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with Adversary(adversaries.answer(OK)) as receiver:
        assert (await harness.answered(harness.destination(receiver.port))).status == 200


# Receivers that never come to an end.


async def test_hang_ends_at_the_deadline_and_not_before(harness: Harness) -> None:
    async with Adversary(adversaries.hang) as receiver:
        failed = await harness.failed(harness.destination(receiver.port), deadline_seconds=SHORT)
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
    assert failed.error == "deadline"
    assert failed.detail == "the total deadline passed before any byte of the response"
    assert failed.remote_address == "127.0.0.1"
    assert SHORT * 1000 <= failed.duration_ms < SHORT * 1000 + 1_500


@pytest.mark.parametrize(
    ("at_once", "slowly", "where"),
    [
        (b"", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 100, "head"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n", b"x" * 1000, "body"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000, "body"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 200, "body"),
        (b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n1;", b"x" * 1000, "body"),
    ],
)
async def test_dripping_ends_at_the_deadline(harness: Harness, at_once: bytes, slowly: bytes, where: str) -> None:
    async with Adversary(adversaries.drip(at_once, slowly, 0.02)) as receiver:
        failed = await harness.failed(harness.destination(receiver.port), deadline_seconds=SHORT)
    assert failed.error == "deadline"
    assert failed.detail.endswith(f"in the middle of the response {where}")


async def test_slow_interim_responses_end_at_the_deadline(harness: Harness) -> None:
    async with Adversary(adversaries.endless_interim(0.02)) as receiver:
        failed = await harness.failed(harness.destination(receiver.port), deadline_seconds=SHORT)
    assert failed.error == "deadline"


async def test_a_receiver_that_does_not_read_ends_at_the_deadline(harness: Harness) -> None:
    body = bytes(20_000_000)
    request = b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with Adversary(adversaries.deaf) as receiver:
        failed = await harness.failed(harness.destination(receiver.port), [request, body], SHORT)
    assert failed.error == "deadline"
    assert failed.detail == "the total deadline passed before the request was sent in full"


@pytest.mark.parametrize(
    ("prefix", "again"),
    [
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\n", b"a: b\r\n" * 100),
        (b"HTTP/1.1 200 OK\r\na: ", b"b" * 1000),
        (b"HTTP/1.1 200 ", b"OK" * 1000),
    ],
)
async def test_an_endless_head_ends_at_its_cap(harness: Harness, prefix: bytes, again: bytes) -> None:
    async with Adversary(adversaries.endless(prefix, again)) as receiver:
        failed = await harness.failed(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
    assert failed.error == "head_too_large"


@pytest.mark.parametrize(
    ("prefix", "again", "body"),
    [
        (b"HTTP/1.1 500 No\r\ncontent-length: 1000000000\r\n\r\n", b"x" * 8192, b"x" * 4096),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n", b"x" * 8192, b"x" * 256),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 8192, b"x" * 256),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 500, b"x" * 256),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1;", b"x" * 8192, b""),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n", b"a: b\r\n" * 500, b""),
    ],
)
async def test_an_endless_body_is_cut_and_answered(harness: Harness, prefix: bytes, again: bytes, body: bytes) -> None:
    async with Adversary(adversaries.endless(prefix, again)) as receiver:
        answered = await harness.answered(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
    assert answered.body == body
    assert answered.body_truncated


async def test_a_gzip_bomb_stays_packed(harness: Harness) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    head = b"HTTP/1.1 500 No\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(bomb)
    async with Adversary(adversaries.answer(head + bomb)) as receiver:
        answered = await harness.answered(harness.destination(receiver.port))
    assert answered.body == bomb[:4096]
    assert answered.body_truncated


# Receivers that break off.


@pytest.mark.parametrize(
    "response", [b"", b"HT", b"HTTP/1.1 200 OK\r\ncontent-le", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal"]
)
async def test_breaking_off_is_a_reset(harness: Harness, response: bytes) -> None:
    for script in (adversaries.answer_and_reset(response), adversaries.answer_and_close(response)):
        async with Adversary(script) as receiver:
            failed = await harness.failed(harness.destination(receiver.port))
        assert failed.error == "reset"
        assert receiver.requests == [REQUEST]


async def test_a_body_without_frame_that_is_reset_is_no_answer(harness: Harness) -> None:
    async with Adversary(adversaries.answer_and_reset(b"HTTP/1.1 200 OK\r\n\r\nhal")) as receiver:
        assert (await harness.failed(harness.destination(receiver.port))).error == "reset"


async def test_reset_on_accept(harness: Harness) -> None:
    async with Adversary(adversaries.reset_at_once) as receiver:
        assert (await harness.failed(harness.destination(receiver.port))).error == "reset"


@pytest.mark.parametrize(
    "response",
    [
        b"hello\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_a_protocol_error(harness: Harness, response: bytes) -> None:
    async with Adversary(adversaries.answer(response)) as receiver:
        failed = await harness.failed(harness.destination(receiver.port))
        await until(lambda: receiver.closed_connections == 1, 5, "our close")
    assert failed.error == "protocol"


async def test_a_failing_callback_harms_nothing(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    def fail(result: Result) -> None:
        calls.append(result)
        raise RuntimeError("the callback's own trouble")

    calls: list[Result] = []
    async with Adversary(adversaries.answer(OK)) as receiver:
        destination = harness.destination(receiver.port)
        with caplog.at_level(logging.CRITICAL, "dispatcher.sender.connection"):
            harness.sender.send(destination, REQUEST, 5, fail)
            await until(lambda: calls, 5, "the result")
        await harness.answered(destination)
    assert len(calls) == 1
    assert receiver.connections == 1
