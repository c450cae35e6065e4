"""The strict parser of endpoint URLs: it refuses what it would have to normalise.

Two parsers that read one text differently are how SSRF filters are passed (`127.1`, `0x7f.0.0.1`, `a@b`,
full-width dots), so only one spelling of each URL is accepted: RFC 3986 characters, a host in lower case,
addresses as dotted quads or as RFC 5952 has them.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal

from gateway.egress.errors import UrlRefused
from gateway.egress.ports import DENIED

Kind = Literal["internal", "external"]

MAX_URL_LENGTH = 2_048
MAX_HOST_LENGTH = 253
DEFAULT_PORTS = {"http": 80, "https": 443}

# Names that a public resolver never answers, but a local one may.
LOCAL_SUFFIXES = (
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "private",
    "corp",
    "home",
    "lan",
    "home.arpa",
)

_OUTSIDE_VISIBLE_ASCII = re.compile(r"[^\x21-\x7e]")
_SCHEME = re.compile(r"([^:/?#]*)://(.*)", re.DOTALL)
_AUTHORITY = re.compile(r"([^/?#]*)([^#]*)(#?)")
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
_OUTSIDE_TARGET = re.compile(r"%(?![0-9A-Fa-f]{2})|[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]")


@dataclass(frozen=True, slots=True)
class EndpointUrl:
    """An accepted URL, taken apart.

    `host` is a lower-case name or an address without brackets; `target` is path and query as given, "/" if
    empty; `host_header` is the value of Host (RFC 9110 7.2); `address` is `host` if that is an IP literal.
    """

    scheme: Literal["http", "https"]
    host: str
    port: int
    target: str
    host_header: str
    address: str | None


def parse(text: str, kind: Kind) -> EndpointUrl:
    """Take `text` apart; raises UrlRefused. Says nothing of addresses, see `addresses.check`."""
    scheme, rest = _split_scheme(_plain(text), kind)
    matched = _AUTHORITY.match(rest)
    authority, target, fragment = matched.groups() if matched else ("", "", "")
    if fragment:
        raise UrlRefused("url_fragment", "the URL has a fragment (#...), which is never sent; leave it out")
    host_text, port = _split_port(authority, scheme)
    host, address = _host(host_text, kind)
    return EndpointUrl(
        scheme=scheme,
        host=host,
        port=port,
        target=_target(target),
        host_header=host_text if port == DEFAULT_PORTS[scheme] else f"{host_text}:{port}",
        address=address,
    )


def _plain(text: str) -> str:
    if len(text) > MAX_URL_LENGTH:
        raise UrlRefused("url_length", f"the URL has {len(text)} characters; at most {MAX_URL_LENGTH} are accepted")
    odd = _OUTSIDE_VISIBLE_ASCII.search(text)
    if odd:
        raise UrlRefused(
            "url_characters",
            f"character {odd.group()!a} at {odd.start()} of the URL; write a host in its xn-- form, "
            "anything else percent-encoded, and no spaces around it",
        )
    return text


def _split_scheme(text: str, kind: Kind) -> tuple[Literal["http", "https"], str]:
    matched = _SCHEME.fullmatch(text)
    if not matched:
        raise UrlRefused("url_scheme", "the URL must be absolute: https://host/path")
    scheme, rest = matched.groups()
    if scheme == "https":
        return "https", rest
    if scheme == "http" and kind == "internal":
        return "http", rest
    accepted = "https" if kind == "external" else "http or https"
    raise UrlRefused(
        "url_scheme",
        f"scheme {_shown(scheme)} of an {kind} subscriber's URL; only {accepted} is accepted, in lower case",
    )


def _split_port(authority: str, scheme: str) -> tuple[str, int]:
    if "@" in authority:
        raise UrlRefused(
            "url_userinfo", "the URL carries user information; put credentials into the endpoint's headers"
        )
    closing = authority.rfind("]")
    colon = authority.find(":", closing + 1)
    if colon < 0:
        return authority, DEFAULT_PORTS[scheme]
    host, digits = authority[:colon], authority[colon + 1 :]
    if not _PORT.fullmatch(digits) or int(digits) > 65_535:
        raise UrlRefused(
            "url_port", f"port {_shown(digits)}; a number from 1 to 65535 without sign or zeros is accepted"
        )
    port = int(digits)
    if port in DENIED:
        raise UrlRefused("url_port", f"port {port} belongs to another protocol than HTTP; serve the webhook on another")
    return host, port


def _host(text: str, kind: Kind) -> tuple[str, str | None]:
    if text.startswith("["):
        address = _ipv6(text)
        return address, address
    if not text or len(text) > MAX_HOST_LENGTH:
        raise UrlRefused("url_host", f"the host is empty or over {MAX_HOST_LENGTH} characters: {_shown(text)}")
    labels = text.split(".")
    if _NUMBER_LABEL.fullmatch(labels[-1]):
        return _ipv4(text), text
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused(
            "url_host",
            f"{_shown(text)} is not a host name: labels of a-z, 0-9 and inner hyphens, 1 to 63 characters, "
            "in lower case, without a dot at the end",
        )
    if kind == "external":
        _check_public_name(text, labels)
    return text, None


def _ipv6(text: str) -> str:
    inner = text[1:-1]
    try:
        canonical = str(ipaddress.IPv6Address(inner)) if text.endswith("]") else ""
    except ValueError:
        canonical = ""
    if not canonical or "%" in inner:
        raise UrlRefused("url_host", f"{_shown(text)} is not an IPv6 address in brackets")
    if canonical != inner:
        raise UrlRefused("url_host", f"{_shown(text)}: write the address as [{canonical}] (RFC 5952)")
    return canonical


def _ipv4(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise UrlRefused(
            "url_host", f"{_shown(text)} ends in a number but is not an IPv4 address of four decimal numbers"
        ) from error


def _check_public_name(host: str, labels: list[str]) -> None:
    local = next((suffix for suffix in LOCAL_SUFFIXES if host == suffix or host.endswith(f".{suffix}")), None)
    if local or len(labels) < 2:
        raise UrlRefused(
            "url_host",
            f"{_shown(host)} is a local name; an external subscriber needs a public one, "
            "your own services are subscribers of kind internal",
        )


def _target(text: str) -> str:
    odd = _OUTSIDE_TARGET.search(text)
    if odd:
        raise UrlRefused(
            "url_characters",
            f"character {_shown(odd.group())} in path or query must be percent-encoded (RFC 3986)",
        )
    return text if text.startswith("/") else f"/{text}"


def _shown(value: str) -> str:
    return repr(value if len(value) <= 100 else f"{value[:100]}...")
