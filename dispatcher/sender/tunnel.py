"""A tunnel through the operator's egress proxy: CONNECT (RFC 9110 9.3.6), then bytes as if there were no proxy.

Plain http goes through a tunnel as well, so that the proxy sees no bodies and no headers of ours, and one request is
one request. What the proxy says of itself is kept out of the attempt's record, but for its status line.
"""

import asyncio
import re
import socket

from dispatcher.sender.connecting import connect_first
from dispatcher.sender.result import AttemptError
from gateway.egress import Egress, NameNotResolved, Proxy

HEAD_BYTES = 16_384
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: ([^\r\n]*))?\r\n")
_END = b"\r\n\r\n"
# It could not reach the address, which says nothing of another one.
_UNREACHED = frozenset({502, 503, 504})
_WAYS_OUT = {
    403: "; it must allow CONNECT to this address and port",
    405: "; it must allow CONNECT",
    407: "; HOOKLINE_EGRESS_PROXY must carry its user and password",
}


class TunnelError(Exception):
    """No tunnel: `error` is the attempt's; `elsewhere` tells whether another address may do."""

    def __init__(self, error: AttemptError, detail: str, *, elsewhere: bool = False) -> None:
        super().__init__(detail)
        self.error: AttemptError = error
        self.detail = detail
        self.elsewhere = elsewhere


async def dig(egress: Egress, proxy: Proxy, target: str, seconds: float) -> socket.socket:
    """A socket whose other end is `target` (`host:port`); raises TunnelError.

    The connection to the proxy and its answer to CONNECT have `seconds` each.
    """
    connected = await _reach(egress, proxy, seconds)
    try:
        async with asyncio.timeout(seconds):
            await _ask(proxy, target, connected)
    except BaseException as error:
        connected.close()
        if isinstance(error, TimeoutError):
            detail = f"the egress proxy {proxy} did not connect to {target} in {seconds:g} s"
            raise TunnelError("connect_timeout", detail, elsewhere=True) from error
        if isinstance(error, OSError):
            raise TunnelError("reset", f"the connection to the egress proxy {proxy} broke") from error
        raise
    return connected


async def _reach(egress: Egress, proxy: Proxy, seconds: float) -> socket.socket:
    try:
        return await connect_first(await egress.proxy_addresses(proxy), proxy.port, seconds)
    except NameNotResolved as error:
        raise TunnelError("dns", f"the egress proxy: {error.reason}") from error
    except TimeoutError as error:
        raise TunnelError("connect_timeout", f"the egress proxy {proxy} did not answer") from error
    except OSError as error:
        raise TunnelError("connect_refused", f"the egress proxy {proxy}: {error.strerror or error}") from error


async def _ask(proxy: Proxy, target: str, connected: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(connected, _request(proxy, target.encode()))
    received = b""
    while True:
        head, end, rest = received.partition(_END)
        if not end:
            received += await _more(proxy, connected, len(received))
            continue
        matched = _STATUS.match(head + b"\r\n")
        if matched is None:
            raise TunnelError("protocol", f"the egress proxy {proxy} does not speak HTTP/1.1")
        status = int(matched[1])
        if status >= 200:
            break
        received = rest
    if status >= 300:
        raise _refusal(proxy, target, status, matched[2] or b"")
    if rest:
        raise TunnelError("protocol", f"the egress proxy {proxy} sent bytes that nobody asked for")


def _request(proxy: Proxy, target: bytes) -> bytes:
    credentials = b"proxy-authorization: %b\r\n" % proxy.credentials if proxy.credentials else b""
    return b"CONNECT %b HTTP/1.1\r\nhost: %b\r\n%b\r\n" % (target, target, credentials)


async def _more(proxy: Proxy, connected: socket.socket, already: int) -> bytes:
    if already > HEAD_BYTES:
        raise TunnelError("protocol", f"the egress proxy {proxy} answers with a head over {HEAD_BYTES} bytes")
    piece = await asyncio.get_running_loop().sock_recv(connected, 4_096)
    if not piece:
        raise TunnelError("reset", f"the egress proxy {proxy} closed the connection instead of answering CONNECT")
    return piece


def _refusal(proxy: Proxy, target: str, status: int, phrase: bytes) -> TunnelError:
    shown = "".join(chr(byte) for byte in phrase[:60] if 32 <= byte < 127)
    detail = f"the egress proxy {proxy} answered {status} {shown}".rstrip() + f" to CONNECT {target}"
    error: AttemptError = "connect_timeout" if status == 504 else "connect_refused"
    return TunnelError(error, detail + _WAYS_OUT.get(status, ""), elsewhere=status in _UNREACHED)
