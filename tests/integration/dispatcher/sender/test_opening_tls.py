"""TLS with live peers: versions, sessions, a private authority, IPv6."""

import asyncio
import socket
import ssl
import warnings
from pathlib import Path

import pytest

from dispatcher.sender import tls
from tests.integration.dispatcher.sender.authority import Authority
from tests.integration.dispatcher.sender.harness import Harness, has_ipv6
from tests.support import adversaries
from tests.support.adversaries import OK, Adversary
from tests.support.waiting import until

LOOPBACK6 = ("::1/128",)


def old(context: ssl.SSLContext) -> ssl.SSLContext:
    """A context that speaks TLS 1.0 and 1.1 only, which OpenSSL lets it at security level 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


def handshake(client: ssl.SSLContext, server: ssl.SSLContext) -> str | None:
    """The version that two contexts agree on, in memory."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname="receiver.example")
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    for end in (ours, theirs) * 3:
        try:
            end.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ours.version()


def accept_one(listening: socket.socket, server: ssl.SSLContext) -> str:
    """Why the handshake with the next client failed, which is told the reason: an event loop's server tells nothing."""
    connected, _ = listening.accept()
    try:
        server.wrap_socket(connected, server_side=True).close()
    except ssl.SSLError as error:
        return error.reason or ""
    finally:
        connected.close()
    return ""


async def test_a_peer_below_tls_1_2_is_refused(tls_harness: Harness, authority: Authority) -> None:
    server = old(authority.context("receiver.example"))
    lenient = old(tls.client_context(authority.ca_file))
    assert handshake(lenient, server) == "TLSv1.1"
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        peer = asyncio.ensure_future(asyncio.to_thread(accept_one, listening, server))
        port = listening.getsockname()[1]
        failed = await tls_harness.failed(tls_harness.destination(port, "https", "receiver.example"))
        assert await peer == "UNSUPPORTED_PROTOCOL"
    assert failed.error == "tls"
    assert "PROTOCOL_VERSION" in failed.detail


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_tls_1_2_and_1_3_are_spoken(tls_harness: Harness, authority: Authority, newest: ssl.TLSVersion) -> None:
    context = authority.context("receiver.example", newest=newest)
    async with Adversary(adversaries.answer(OK), tls=context) as receiver:
        await tls_harness.answered(tls_harness.destination(receiver.port, "https", "receiver.example"))


async def test_only_the_given_authority_is_trusted(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    async with (
        Adversary(adversaries.answer(OK), tls=authority.context("receiver.example")) as ours,
        Adversary(adversaries.answer(OK), tls=stranger.context("receiver.example")) as theirs,
        Harness(ca_file=authority.ca_file) as harness,
    ):
        await harness.answered(harness.destination(ours.port, "https", "receiver.example"))
        failed = await harness.failed(harness.destination(theirs.port, "https", "receiver.example"))
    assert failed.error == "tls"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_new_connection_resumes_the_session_of_the_last_one(
    tls_harness: Harness, authority: Authority, newest: ssl.TLSVersion
) -> None:
    context = authority.context("receiver.example", newest=newest)
    async with Adversary(adversaries.answer_and_close(OK), tls=context) as receiver:
        destination = tls_harness.destination(receiver.port, "https", "receiver.example")
        for _ in range(3):
            await tls_harness.answered(destination)
            await until(lambda: receiver.closed_connections == receiver.connections, 5, "the connection's end")
    assert receiver.connections == 3
    stats = context.session_stats()
    assert (stats["accept_good"], stats["hits"]) == (3, 2)


async def test_kept_alive_a_connection_shakes_hands_once(tls_harness: Harness, authority: Authority) -> None:
    context = authority.context("receiver.example")
    async with Adversary(adversaries.answer(OK), tls=context) as receiver:
        destination = tls_harness.destination(receiver.port, "https", "receiver.example")
        for _ in range(5):
            await tls_harness.answered(destination)
        assert receiver.connections == 1
    assert context.session_stats()["accept"] == 1


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
@pytest.mark.parametrize("host", ["[::1]", "receiver.example"])
async def test_ipv6(host: str, authority: Authority) -> None:
    async with (
        Adversary(adversaries.answer(OK), host="::1") as plain,
        Adversary(adversaries.answer(OK), host="::1", tls=authority.context(host.strip("[]"))) as encrypted,
        Harness(ca_file=authority.ca_file, allow=LOOPBACK6) as harness,
    ):
        harness.names["receiver.example"] = ["::1"]
        for receiver, scheme in ((plain, "http"), (encrypted, "https")):
            answered = await harness.answered(harness.destination(receiver.port, scheme, host))
            assert answered.remote_address == "::1"
        failed = await harness.failed(harness.destination(encrypted.port, "https", "receiver.example", "external"))
        assert failed.error == "address_blocked"
