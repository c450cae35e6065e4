"""Attempts through an egress proxy: http and https, checks ours or the proxy's, and everything it can refuse."""

import asyncio
import base64

import pytest

from dispatcher.sender import Limits
from gateway.egress import Checks
from tests.integration.dispatcher.sender.authority import Authority
from tests.integration.dispatcher.sender.harness import REQUEST, Harness
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.connect_proxy import ConnectProxy
from tests.support.valkey import free_port

SHORT = 0.3
PASSWORD = "Basic " + base64.b64encode(b"hookline:s3cret").decode()


def through(port: int, checks: Checks = "ours", user: str = "") -> Harness:
    return Harness(
        Limits(tick_seconds=0.01, connect_seconds=2.0), proxy=f"http://{user}127.0.0.1:{port}", checks=checks
    )


def refusing(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\n<p>no".encode()


async def test_plain_http_goes_through_a_tunnel_to_the_vetted_address() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        ConnectProxy() as proxy,
        through(proxy.port) as harness,
    ):
        for _ in range(3):
            answered = await harness.answered(harness.destination(receiver.port, host="receiver.example"))
            assert (answered.body, answered.remote_address) == (b"ok", "127.0.0.1")
        assert proxy.targets == [f"127.0.0.1:{receiver.port}"]
        assert receiver.requests == [REQUEST] * 3
        assert proxy.heads == [b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n\r\n" % ((proxy.targets[0].encode(),) * 2)]


async def test_tls_inside_the_tunnel_has_the_name(authority: Authority) -> None:
    asked: list[str | None] = []
    context = authority.context("receiver.example")
    context.sni_callback = lambda _connection, name, _context: asked.append(name)
    async with (
        Adversary(adversaries.answer(OK), tls=context) as receiver,
        ConnectProxy() as proxy,
        Harness(ca_file=authority.ca_file, proxy=f"http://127.0.0.1:{proxy.port}") as harness,
    ):
        for _ in range(2):
            answered = await harness.answered(harness.destination(receiver.port, "https", "receiver.example"))
            assert answered.remote_address == "127.0.0.1"
        failed = await harness.failed(harness.destination(receiver.port, "https"))
        assert (failed.error, proxy.connections) == ("tls", 2)
    assert asked[0] == "receiver.example"


async def test_where_the_checks_are_the_proxys_it_gets_the_name() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        ConnectProxy() as proxy,
        through(proxy.port, "proxy") as harness,
    ):
        proxy.names["elsewhere.example"] = "127.0.0.1"
        answered = await harness.answered(harness.destination(receiver.port, host="elsewhere.example"))
        assert answered.remote_address == ""
        assert proxy.targets == [f"elsewhere.example:{receiver.port}"]


async def test_where_the_checks_are_ours_a_bad_address_never_reaches_the_proxy() -> None:
    async with ConnectProxy() as proxy, through(proxy.port) as harness:
        harness.names["receiver.example"] = ["127.0.0.1", "169.254.169.254"]
        failed = await harness.failed(harness.destination(8443, host="receiver.example"))
        assert failed.error == "address_blocked"
        failed = await harness.failed(harness.destination(8443, host="unknown.example"))
        assert failed.error == "dns"
        assert proxy.connections == 0


async def test_credentials_are_sent_to_the_proxy_alone_and_shown_nowhere() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        ConnectProxy(credentials=PASSWORD) as proxy,
        through(proxy.port, user="hookline:s3cret@") as harness,
    ):
        await harness.answered(harness.destination(receiver.port))
        assert receiver.requests == [REQUEST]
        proxy.credentials = "Basic other"
        failed = await harness.failed(harness.destination(receiver.port, host="receiver.example"))
        assert failed.error == "connect_refused"
        assert "407 Proxy Authentication Required" in failed.detail
        assert "HOOKLINE_EGRESS_PROXY must carry its user and password" in failed.detail
        assert "s3cret" not in failed.detail
        assert PASSWORD not in failed.detail


@pytest.mark.parametrize(
    ("answer", "error", "detail"),
    [
        (refusing("403 Forbidden"), "connect_refused", "answered 403 Forbidden to CONNECT 127.0.0.1:8443; it must"),
        (refusing("405 Method Not Allowed"), "connect_refused", "it must allow CONNECT"),
        (refusing("502 Bad Gateway"), "connect_refused", "answered 502 Bad Gateway"),
        (refusing("504 Gateway Timeout"), "connect_timeout", "answered 504"),
        (refusing("302 \x1b[31mFound"), "connect_refused", "answered 302 [31mFound"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + refusing("503 Busy"), "connect_refused", "answered 503"),
        (b"HTTP/1.1 200 OK\r\n\r\nplanted", "protocol", "bytes that nobody asked for"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "protocol", "does not speak HTTP/1.1"),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 4_000, "protocol", "a head over 16384 bytes"),
    ],
)
async def test_a_proxy_that_refuses(answer: bytes, error: str, detail: str) -> None:
    async with ConnectProxy(answer=answer) as proxy, through(proxy.port) as harness:
        failed = await harness.failed(harness.destination(8443))
    assert failed.error == error
    assert detail in failed.detail
    assert failed.detail.isprintable()


async def test_another_address_is_tried_when_the_proxy_does_not_reach_one() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        ConnectProxy() as proxy,
        through(proxy.port) as harness,
    ):
        proxy.unreachable.add(f"127.0.0.2:{receiver.port}")
        harness.names["receiver.example"] = ["127.0.0.2", "127.0.0.1"]
        answered = await harness.answered(harness.destination(receiver.port, host="receiver.example"))
        assert answered.remote_address == "127.0.0.1"
        assert len(proxy.targets) == 2


async def test_no_other_address_is_tried_when_the_proxy_refuses() -> None:
    async with ConnectProxy(answer=refusing("403 Forbidden")) as proxy, through(proxy.port) as harness:
        harness.names["receiver.example"] = ["127.0.0.2", "127.0.0.1"]
        await harness.failed(harness.destination(8443, host="receiver.example"))
        assert proxy.targets == ["127.0.0.2:8443"]


async def test_a_proxy_that_is_not_there() -> None:
    async with through(free_port()) as harness:
        failed = await harness.failed(harness.destination(8443))
    assert failed.error == "connect_refused"
    assert "the egress proxy 127.0.0.1:" in failed.detail


async def test_a_proxy_whose_name_is_unknown() -> None:
    async with Harness(proxy="http://proxy.example:3128") as harness:
        failed = await harness.failed(harness.destination(8443))
    assert failed.error == "dns"
    assert failed.detail.startswith("the egress proxy: proxy.example does not resolve")


async def test_a_proxy_that_drops_packets() -> None:
    limits = Limits(connect_seconds=0.1, tick_seconds=0.01)
    with adversaries.blackhole() as port:
        async with Harness(limits, proxy=f"http://127.0.0.1:{port}") as harness:
            failed = await harness.failed(harness.destination(8443))
    assert failed.error == "connect_timeout"
    assert "did not answer" in failed.detail


async def test_a_proxy_that_hangs_is_given_up_after_the_connect_time() -> None:
    limits = Limits(connect_seconds=0.1, tick_seconds=0.01)
    async with (
        Adversary(adversaries.deaf) as proxy,
        Harness(limits, proxy=f"http://127.0.0.1:{proxy.port}") as harness,
    ):
        failed = await harness.failed(harness.destination(8443))
    assert failed.error == "connect_timeout"
    assert "did not connect to 127.0.0.1:8443 in 0.1 s" in failed.detail


async def test_a_proxy_that_hangs_is_given_up_at_the_deadline() -> None:
    async with Adversary(adversaries.deaf) as proxy, through(proxy.port) as harness:
        failed = await harness.failed(harness.destination(8443), deadline_seconds=SHORT)
    assert failed.error == "connect_timeout"
    assert failed.detail == "the total deadline passed while connecting through the egress proxy"
    assert SHORT * 1_000 <= failed.duration_ms < SHORT * 1_000 + 1_000


async def close_after_the_request(peer: adversaries.Peer) -> None:
    await peer.head()


@pytest.mark.parametrize("script", [close_after_the_request, adversaries.reset_at_once])
async def test_a_proxy_that_goes_away(script: adversaries.Script) -> None:
    async with Adversary(script) as proxy, through(proxy.port) as harness:
        failed = await harness.failed(harness.destination(8443))
    assert failed.error in {"reset", "connect_refused"}
    assert "the egress proxy" in failed.detail


async def test_many_at_a_time_through_one_proxy() -> None:
    async with (
        Adversary(adversaries.answer(OK)) as receiver,
        ConnectProxy() as proxy,
        through(proxy.port) as harness,
    ):
        destination = harness.destination(receiver.port)
        await asyncio.gather(*(harness.answered(destination) for _ in range(50)))
        assert len(receiver.requests) == 50
