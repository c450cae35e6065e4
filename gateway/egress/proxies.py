"""The operator's egress proxy: where it is, who we are to it, and who judges addresses when there is one.

HOOKLINE_EGRESS_PROXY=http://[user:password@]host:port
HOOKLINE_EGRESS_PROXY_CHECKS=ours      we resolve and vet, the proxy is asked for the vetted address
HOOKLINE_EGRESS_PROXY_CHECKS=proxy     the proxy is asked for the name; we check the URL and literal addresses only
"""

import base64
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote_to_bytes

from gateway.egress.errors import ProxyInvalid

Checks = Literal["ours", "proxy"]
CHECKS: tuple[Checks, ...] = ("ours", "proxy")

_FORM = "http://[user:password@]host:port"
_URL = re.compile(
    r"http://(?:([^:@/?#\s]*)(?::([^:@/?#\s]*))?@)?(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([1-9][0-9]{0,4})/?"
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """`credentials` is the value of Proxy-Authorization (RFC 7617), b"" for none; it is in no text made of this."""

    host: str
    port: int
    credentials: bytes

    def __repr__(self) -> str:
        return f"Proxy({self})"

    def __str__(self) -> str:
        return authority(self.host, self.port)


def authority(host: str, port: int) -> str:
    """`host:port` as CONNECT and Host have it (RFC 9112 3.2.3), an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(text: str) -> Proxy:
    """A proxy from its URL; raises ProxyInvalid, whose text never repeats what was given.

    User and password are percent-decoded (RFC 3986), so that they may hold `:` and `@`.
    """
    matched = _URL.fullmatch(text)
    if matched is None:
        raise ProxyInvalid(f"expected {_FORM}; a proxy that itself speaks TLS is not supported")
    user, password, host, port = matched.groups()
    if int(port) > 65_535:
        raise ProxyInvalid("its port is over 65535")
    credentials = b""
    if user is not None:
        name = unquote_to_bytes(user)
        if b":" in name:
            raise ProxyInvalid("its user must not contain a colon (RFC 7617)")
        credentials = b"Basic " + base64.b64encode(name + b":" + unquote_to_bytes(password or ""))
    return Proxy(host.strip("[]").lower(), int(port), credentials)


def described(proxy: Proxy | None, checks: Checks) -> str:
    """One sentence for logs and `doctor` on who decides which addresses are reached."""
    if proxy is None:
        return "attempts go to the receivers directly; addresses are vetted before every connect"
    if checks == "ours":
        return f"attempts go through the proxy {proxy}, to addresses that are vetted here before every connect"
    return (
        f"attempts go through the proxy {proxy}, which resolves names and must itself refuse private addresses: "
        "only URLs, ports and literal addresses are checked here"
    )
