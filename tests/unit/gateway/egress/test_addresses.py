import ipaddress

import pytest
from hypothesis import given, strategies

from gateway.egress import addresses
from gateway.egress.errors import AddressBlocked, AllowEntryInvalid

EVERYTHING = addresses.parse_allow(["0.0.0.0/0", "::/0"])


@pytest.mark.parametrize("rule", [*addresses.NEVER, *addresses.IPV4_DENIED, *addresses.IPV6_DENIED], ids=str)
def test_first_and_last_address_of_every_range_are_blocked(rule: addresses.Rule) -> None:
    for address in (rule.network[0], rule.network[-1]):
        with pytest.raises(AddressBlocked, match=str(address)):
            addresses.check(str(address))


@pytest.mark.parametrize(
    "address",
    [
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "168.63.129.17",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "191.255.255.255",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "203.0.112.255",
        "223.255.255.255",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::1",
        "2606:4700::1111",
        "3ffd:ffff::",
    ],
)
def test_neighbours_of_special_ranges_are_public(address: str) -> None:
    addresses.check(address)


@pytest.mark.parametrize(
    "address", ["::1", "::7f00:1", "fc00::1", "fe80::1", "fec0::1", "5f00::1", "100::1", "4000::1", "1fff:ffff::1"]
)
def test_ipv6_outside_global_unicast_is_blocked(address: str) -> None:
    with pytest.raises(AddressBlocked, match="outside 2000::/3"):
        addresses.check(address)


@pytest.mark.parametrize("address", ["10.1.2.3", "127.0.0.1", "192.168.1.1", "203.0.113.9", "::1", "fd00::1"])
def test_allow_list_opens_private_ranges(address: str) -> None:
    with pytest.raises(AddressBlocked, match="HOOKLINE_EGRESS_ALLOW"):
        addresses.check(address)
    addresses.check(address, EVERYTHING)


@pytest.mark.parametrize("rule", addresses.NEVER, ids=str)
def test_no_allow_list_opens_what_is_never_a_target(rule: addresses.Rule) -> None:
    with pytest.raises(AddressBlocked, match="never a target"):
        addresses.check(str(rule.network[1] if rule.network.num_addresses > 1 else rule.network[0]), EVERYTHING)


@pytest.mark.parametrize("address", sorted(map(str, addresses.METADATA)))
def test_a_metadata_address_needs_an_entry_of_its_own(address: str) -> None:
    with pytest.raises(AddressBlocked, match="metadata"):
        addresses.check(address)
    with pytest.raises(AddressBlocked, match="a wider range does not do"):
        addresses.check(address, EVERYTHING)
    addresses.check(address, addresses.parse_allow([address]))


def test_allow_list_of_one_version_says_nothing_of_the_other() -> None:
    with pytest.raises(AddressBlocked):
        addresses.check("::1", addresses.parse_allow(["0.0.0.0/0"]))


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1%1"])
def test_zones_are_blocked(address: str) -> None:
    with pytest.raises(AddressBlocked, match="zone"):
        addresses.check(address, EVERYTHING)


@pytest.mark.parametrize("text", ["", "example.com", "127.1", "0x7f000001", "1.2.3.4/8", "127.000.000.001"])
def test_what_is_no_address_is_blocked(text: str) -> None:
    with pytest.raises(AddressBlocked, match="not an IP address"):
        addresses.check(text, EVERYTHING)


@pytest.mark.parametrize("entry", ["", "10.0.0.1/8", "10.0.0.0/33", "localhost", "10.0.0.0/8,127.0.0.0/8"])
def test_bad_allow_entry_is_named(entry: str) -> None:
    with pytest.raises(AllowEntryInvalid) as caught:
        addresses.parse_allow(["10.0.0.0/8", entry])
    assert repr(entry) in caught.value.reason


@given(strategies.ip_addresses())
def test_the_standard_library_never_calls_private_what_is_accepted(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    try:
        addresses.check(str(ip))
    except AddressBlocked:
        return
    assert not ip.is_private
    assert not ip.is_multicast
    assert not ip.is_link_local


@given(strategies.ip_addresses(v=4))
def test_an_ipv4_address_inside_an_ipv6_one_is_never_accepted(ip: ipaddress.IPv4Address) -> None:
    number = int(ip)
    hidden = [
        ipaddress.IPv6Address(number),
        ipaddress.IPv6Address((0xFFFF << 32) | number),
        ipaddress.IPv6Address((0x0064FF9B << 96) | number),
        ipaddress.IPv6Address((0x2002 << 112) | (number << 80) | 1),
        ipaddress.IPv6Address((0x20010000 << 96) | (number ^ 0xFFFFFFFF)),
    ]
    for address in hidden:
        with pytest.raises(AddressBlocked):
            addresses.check(str(address))
