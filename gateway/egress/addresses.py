"""Which IP addresses may be connected to.

The tables are our own and not `ipaddress.is_global`, whose answer changes with the interpreter's patch level.
Sources: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), the metadata services of clouds.
"""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple

from gateway.egress.errors import AddressBlocked, AllowEntryInvalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Rule(NamedTuple):
    """One range that is no target, and why."""

    network: Network
    why: str


def _rules(*pairs: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple(Rule(ipaddress.ip_network(network), why) for network, why in pairs)


# Not reachable by any setting: they name no host, or hide an IPv4 address from the IPv4 rules.
NEVER = _rules(
    ("0.0.0.0/8", "this host, RFC 791"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("255.255.255.255/32", "broadcast, RFC 919"),
    ("::/128", "unspecified, RFC 4291"),
    ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
    ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765"),
    ("64:ff9b::/96", "NAT64, RFC 6052"),
    ("64:ff9b:1::/48", "local NAT64, RFC 8215"),
    ("2001::/32", "Teredo, RFC 4380"),
    ("2002::/16", "6to4, RFC 3056"),
    ("ff00::/8", "multicast, RFC 4291"),
)

IPV4_DENIED = _rules(
    ("10.0.0.0/8", "private, RFC 1918"),
    ("100.64.0.0/10", "shared address space, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure platform address"),
    ("169.254.0.0/16", "link-local, RFC 3927"),
    ("172.16.0.0/12", "private, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relay, RFC 7526"),
    ("192.168.0.0/16", "private, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("240.0.0.0/4", "reserved, RFC 1112"),
)

IPV6_GLOBAL = ipaddress.IPv6Network("2000::/3")
IPV6_DENIED = _rules(
    ("2001::/23", "IETF protocol assignments, RFC 2928"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3ffe::/16", "returned 6bone range, RFC 3701"),
    ("3fff::/20", "documentation, RFC 9637"),
)

# A wide entry such as fc00::/7 must not open the door to a machine's credentials: these need their own entry.
METADATA = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "100.100.100.200",
        "168.63.129.16",
        "169.254.169.254",
        "169.254.170.2",
        "169.254.170.23",
        "192.0.0.192",
        "fd00:ec2::23",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)


def parse_allow(entries: Iterable[str]) -> tuple[Network, ...]:
    """The operator's list of CIDRs as networks; raises AllowEntryInvalid naming the bad entry."""
    networks = []
    for entry in entries:
        try:
            networks.append(ipaddress.ip_network(entry))
        except ValueError as error:
            raise AllowEntryInvalid(entry, str(error)) from error
    return tuple(networks)


def check(address: str, allow: tuple[Network, ...] = ()) -> None:
    """Raise AddressBlocked unless `address` is public or inside `allow` (none for external subscribers)."""
    ip = _parse(address)
    rule = _match(NEVER, ip)
    if rule is not None:
        raise AddressBlocked(f"{address} is in {rule.network} ({rule.why}), which is never a target")
    if ip in METADATA:
        _check_metadata(ip, allow)
    elif not any(ip in network for network in allow):
        _check_public(ip)


def _parse(address: str) -> Address:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError as error:
        raise AddressBlocked(f"{address!r} is not an IP address") from error
    if isinstance(ip, ipaddress.IPv6Address) and ip.scope_id is not None:
        raise AddressBlocked(f"{address} carries a zone and is never a target")
    return ip


def _check_metadata(ip: Address, allow: tuple[Network, ...]) -> None:
    own = ipaddress.ip_network(ip)
    if own not in allow:
        raise AddressBlocked(
            f"{ip} is a cloud's metadata service; if it truly is an internal subscriber's address, "
            f"HOOKLINE_EGRESS_ALLOW must list {own} itself, a wider range does not do"
        )


def _check_public(ip: Address) -> None:
    if isinstance(ip, ipaddress.IPv4Address):
        rule = _match(IPV4_DENIED, ip)
        place = f"in {rule.network} ({rule.why})" if rule else None
    elif ip in IPV6_GLOBAL:
        rule = _match(IPV6_DENIED, ip)
        place = f"in {rule.network} ({rule.why})" if rule else None
    else:
        place = f"outside {IPV6_GLOBAL} (global unicast, RFC 4291)"
    if place:
        raise AddressBlocked(
            f"{ip} is {place}; only an internal subscriber may have it, and only if the setting "
            f"HOOKLINE_EGRESS_ALLOW lists its range"
        )


def _match(rules: tuple[Rule, ...], ip: Address) -> Rule | None:
    return next((rule for rule in rules if ip in rule.network), None)
