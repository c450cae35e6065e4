"""What happens before the first byte: names, addresses, connects, handshakes."""

import asyncio
import datetime as dt
import socket
import ssl
import threading

import pytest

from dispatcher.sender import Failed, Limits, Result
from dispatcher.sender.opening import Opening, classify
from gateway.clock import SystemClock
from tests.integration.dispatcher.sender.authority import Authority
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.valkey import free_port
from tests.support.waiting import until

SHORT = 0.3
CLOSING = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


async def test_refused(harness: Harness) -> None:
    failed = await harness.failed(harness.destination(free_port()))
    assert failed.error == "connect_refused"
    assert failed.remote_address == "127.0.0.1"


async def test_a_black_hole_is_given_up_after_the_connect_time() -> None:
    with adversaries.blackhole() as port:
        async with Harness(Limits(connect_seconds=0.2)) as harness:
            failed = await harness.failed(harness.destination(port))
    assert failed.error == "connect_timeout"
    assert failed.duration_ms < 5_000


async def test_a_black_hole_is_given_up_at_the_deadline(harness: Harness) -> None:
    with adversaries.blackhole() as port:
        failed = await harness.failed(harness.destination(port), deadline_seconds=SHORT)
    assert failed.error == "connect_timeout"
    assert failed.detail == "the total deadline passed while connecting"
    assert SHORT * 1000 <= failed.duration_ms < SHORT * 1000 + 1_500


async def test_addresses_are_tried_in_order(harness: Harness) -> None:
    harness.names["receiver.example"] = ["127.0.0.2", "127.0.0.1"]
    async with Adversary(adversaries.answer(OK)) as receiver:
        answered = await harness.answered(harness.destination(receiver.port, host="receiver.example"))
    assert answered.remote_address == "127.0.0.1"


async def test_unknown_name(harness: Harness) -> None:
    failed = await harness.failed(harness.destination(80, host="unknown.example"))
    assert failed.error == "dns"
    assert "unknown.example" in failed.detail
    assert failed.remote_address == ""


async def test_slow_name_ends_at_the_deadline_and_delays_nobody(harness: Harness) -> None:
    gate = threading.Event()
    look_up = harness.look_up

    def slow(name: str) -> list[str]:
        if name == "slow.example":
            gate.wait(10)
        return look_up(name)

    harness.egress._resolver._lookup = slow
    async with Adversary(adversaries.answer(OK)) as receiver:
        waiting = [harness.start(harness.destination(80, host="slow.example"), REQUEST, SHORT) for _ in range(20)]
        await harness.answered(harness.destination(receiver.port, host="receiver.example"))
        assert not any(result.done() for result in waiting)
        results = await asyncio.gather(*waiting)
    gate.set()
    assert {result.error for result in results if isinstance(result, Failed)} == {"dns"}
    assert all(result.duration_ms >= SHORT * 1000 for result in results)


async def test_blocked_addresses_are_never_connected_to(harness: Harness) -> None:
    async with Adversary(adversaries.answer(OK)) as receiver:
        for addresses in (["10.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["::ffff:127.0.0.1"]):
            harness.names["receiver.example"] = addresses
            failed = await harness.failed(harness.destination(receiver.port, host="receiver.example"))
            assert failed.error == "address_blocked"
    assert receiver.connections == 0


async def test_every_connect_is_vetted_anew(harness: Harness) -> None:
    async with Adversary(adversaries.answer(CLOSING)) as receiver:
        destination = harness.destination(receiver.port, host="receiver.example")
        await harness.answered(destination)
        harness.names["receiver.example"] = ["169.254.169.254"]
        failed = await harness.failed(destination)
    assert failed.error == "address_blocked"
    assert receiver.connections == 1


async def test_an_external_destination_gets_no_private_address_and_no_internal_connection(
    tls_harness: Harness, authority: Authority
) -> None:
    async with Adversary(adversaries.answer(OK), tls=authority.context("receiver.example")) as receiver:
        await tls_harness.answered(tls_harness.destination(receiver.port, "https", "receiver.example"))
        failed = await tls_harness.failed(
            tls_harness.destination(receiver.port, "https", "receiver.example", "external")
        )
    assert failed.error == "address_blocked"
    assert receiver.connections == 1


async def test_tls_with_the_name_as_server_name(tls_harness: Harness, authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.context("receiver.example")
    context.sni_callback = lambda _connection, name, _context: asked.append(name)
    async with Adversary(adversaries.answer(OK), tls=context) as receiver:
        for _ in range(3):
            answered = await tls_harness.answered(tls_harness.destination(receiver.port, "https", "receiver.example"))
            assert answered.body == b"ok"
    assert asked == ["receiver.example"]
    assert receiver.requests == [REQUEST] * 3


async def test_tls_with_an_address(tls_harness: Harness, authority: Authority) -> None:
    async with Adversary(adversaries.answer_and_close(OK), tls=authority.context("127.0.0.1")) as receiver:
        for _ in range(2):
            await tls_harness.answered(tls_harness.destination(receiver.port, "https"))


async def test_tls_body_until_the_end(tls_harness: Harness, authority: Authority) -> None:
    script = adversaries.answer_and_close(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    async with Adversary(script, tls=authority.context("127.0.0.1")) as receiver:
        answered = await tls_harness.answered(tls_harness.destination(receiver.port, "https"))
    assert answered.body == b"until the end"


@pytest.mark.parametrize(
    ("host", "age", "newest", "detail"),
    [
        ("other.example", 0, ssl.TLSVersion.MAXIMUM_SUPPORTED, "not accepted: Hostname mismatch"),
        ("receiver.example", 3, ssl.TLSVersion.MAXIMUM_SUPPORTED, "not accepted: certificate has expired"),
        ("receiver.example", -3, ssl.TLSVersion.MAXIMUM_SUPPORTED, "not accepted: certificate is not yet valid"),
    ],
)
async def test_a_bad_certificate_is_a_tls_error(
    tls_harness: Harness, authority: Authority, host: str, age: int, newest: ssl.TLSVersion, detail: str
) -> None:
    context = authority.context(host, age=dt.timedelta(days=age), newest=newest)
    async with Adversary(adversaries.answer(OK), tls=context) as receiver:
        failed = await tls_harness.failed(tls_harness.destination(receiver.port, "https", "receiver.example"))
    assert failed.error == "tls"
    assert detail in failed.detail
    assert receiver.requests == []


async def test_an_unknown_authority_is_a_tls_error(harness: Harness, authority: Authority) -> None:
    async with Adversary(adversaries.answer(OK), tls=authority.context("receiver.example")) as receiver:
        failed = await harness.failed(harness.destination(receiver.port, "https", "receiver.example"))
    assert failed.error == "tls"
    assert receiver.requests == []


async def test_a_server_without_tls_is_a_tls_error(tls_harness: Harness) -> None:
    async def plain(peer: adversaries.Peer) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.closed()

    async with Adversary(plain) as receiver:
        failed = await tls_harness.failed(tls_harness.destination(receiver.port, "https"))
    assert failed.error == "tls"


async def test_a_handshake_that_hangs_ends_at_the_deadline(tls_harness: Harness) -> None:
    async with Adversary(adversaries.deaf) as receiver:
        failed = await tls_harness.failed(tls_harness.destination(receiver.port, "https"), REQUEST, SHORT)
        assert failed.error == "deadline"
        assert failed.detail == "the total deadline passed in the TLS handshake"
        assert failed.remote_address == "127.0.0.1"


async def test_a_handshake_that_breaks_off_is_a_reset(tls_harness: Harness) -> None:
    async with Adversary(adversaries.reset_at_once) as receiver:
        failed = await tls_harness.failed(tls_harness.destination(receiver.port, "https"))
    assert failed.error == "reset"


async def test_tls_that_hangs_after_the_request_ends_at_the_deadline(
    tls_harness: Harness, authority: Authority
) -> None:
    async with Adversary(adversaries.hang, tls=authority.context("127.0.0.1")) as receiver:
        failed = await tls_harness.failed(tls_harness.destination(receiver.port, "https"), REQUEST, SHORT)
        assert failed.error == "deadline"
        await until(lambda: receiver.closed_connections == 1, 5, "our close")


async def test_one_result_whatever_comes_after_it(harness: Harness) -> None:
    async with Adversary(adversaries.answer(OK)) as receiver:
        destination = harness.destination(receiver.port)
        await harness.answered(destination)
        pool = harness.sender._pool
        connection = pool.take(destination.key, SystemClock().monotonic())
        assert connection is not None
        results: list[Result] = []
        opening = Opening(pool, destination, REQUEST, 0, 1e9, results.append)
        opening.fail("reset", "first")
        opening.fail("reset", "second")
        opening.hand_over(connection)
        await until(pool.empty, 5, "our close")
    assert [result.detail for result in results if isinstance(result, Failed)] == ["first"]
    assert receiver.requests == [REQUEST]


def test_what_is_unforeseen_still_has_a_word_of_the_closed_set(caplog: pytest.LogCaptureFixture) -> None:
    assert classify("resolving", RuntimeError("odd")) == ("dns", "RuntimeError('odd')")
    assert classify("handshaking", RuntimeError("odd")) == ("tls", "RuntimeError('odd')")
    assert len(caplog.records) == 2


def test_words_for_errors_of_the_kernel() -> None:
    assert classify("connecting", OSError(113, "No route to host")) == ("connect_refused", "No route to host")
    assert classify("connecting", TimeoutError())[0] == "connect_timeout"
    assert classify("handshaking", TimeoutError())[0] == "reset"
    assert classify("resolving", socket.gaierror(-2, "x"))[0] == "reset"
