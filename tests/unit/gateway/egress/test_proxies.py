"""The proxy's URL: one form, no secret in any text."""

import base64

import pytest

from gateway.egress import ProxyInvalid
from gateway.egress.proxies import CHECKS, Proxy, authority, described, parse


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("http://proxy:3128", "proxy", 3_128),
        ("http://Proxy.Example:1/", "proxy.example", 1),
        ("http://10.0.0.1:65535", "10.0.0.1", 65_535),
        ("http://[fd00::1]:8080", "fd00::1", 8_080),
    ],
)
def test_without_credentials(text: str, host: str, port: int) -> None:
    assert parse(text) == Proxy(host, port, b"")


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("http://me:secret@proxy:1", b"me:secret"),
        ("http://me@proxy:1", b"me:"),
        ("http://a%40b:p%3A%2Fq@proxy:1", b"a@b:p:/q"),
        ("http://:token@proxy:1", b":token"),
    ],
)
def test_credentials_are_basic(text: str, pair: bytes) -> None:
    proxy = parse(text)
    assert proxy.credentials == b"Basic " + base64.b64encode(pair)
    for shown in (str(proxy), repr(proxy), *(described(proxy, checks) for checks in CHECKS)):
        assert proxy.credentials.decode() not in shown
        assert pair.decode() not in shown
        assert "proxy:1" in shown


@pytest.mark.parametrize(
    "text",
    [
        "proxy:3128",
        "https://me:secret@proxy:3128",
        "socks5://me:secret@proxy:3128",
        "http://proxy",
        "http://proxy:0",
        "http://proxy:65536",
        "http://proxy:3128/secret",
        "http://proxy:3128?secret",
        "http://me:secret@two@proxy:3128",
        "http://me:secret@pro xy:3128",
        "http://a%3Ab:secret@proxy:3128",
        "http://me:secret\r\nx: y@proxy:3128",
        "",
    ],
)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ProxyInvalid) as caught:
        parse(text)
    assert caught.value.code == "egress_proxy"
    assert "secret" not in caught.value.reason


def test_authority() -> None:
    assert authority("receiver.example", 443) == "receiver.example:443"
    assert authority("2001:db8::1", 443) == "[2001:db8::1]:443"


def test_who_decides_is_said() -> None:
    proxy = parse("http://proxy:3128")
    assert "directly" in described(None, "ours")
    assert "vetted here" in described(proxy, "ours")
    assert "must itself refuse private addresses" in described(proxy, "proxy")
