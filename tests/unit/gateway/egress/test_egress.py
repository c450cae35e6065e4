import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.egress import AddressBlocked, AllowEntryInvalid, Egress, EgressError, NameNotResolved
from gateway.egress.proxies import parse
from tests.support.clock import HandClock

CASES = json.loads((Path(__file__).parents[3] / "contract" / "data" / "ssrf_cases.json").read_text("utf-8"))
RESOLUTIONS = CASES["refuse_resolution"] | CASES["accept_resolution"]


def lookup(name: str) -> list[str]:
    return [str(address) for address in RESOLUTIONS.get(name, [])]


@pytest.fixture
def egress() -> Iterator[Egress]:
    egress = Egress(clock=HandClock(), lookup=lookup)
    yield egress
    egress.close()


@pytest.fixture
def generous() -> Iterator[Egress]:
    egress = Egress(["127.0.0.0/8", "10.0.0.0/8", "::1/128"], HandClock(), lookup)
    yield egress
    egress.close()


@pytest.mark.parametrize("text", CASES["refuse"])
def test_registration_refuses(egress: Egress, text: str) -> None:
    with pytest.raises(EgressError) as caught:
        egress.check_url(text, "external")
    assert caught.value.code == "address_blocked" or caught.value.code.startswith("url_")
    assert caught.value.reason.isprintable()


@pytest.mark.parametrize("text", CASES["refuse"])
def test_an_allow_list_changes_nothing_for_external_subscribers(generous: Egress, text: str) -> None:
    with pytest.raises(EgressError):
        generous.check_url(text, "external")


@pytest.mark.parametrize("kind", ["external", "internal"])
@pytest.mark.parametrize("text", CASES["accept"])
def test_registration_accepts(egress: Egress, text: str, kind: str) -> None:
    assert egress.check_url(text, "external" if kind == "external" else "internal").scheme == "https"


@pytest.mark.parametrize("name", CASES["refuse_resolution"])
async def test_a_name_with_any_bad_address_is_blocked(egress: Egress, name: str) -> None:
    url = egress.check_url(f"https://{name}/", "internal")
    with pytest.raises(AddressBlocked, match=f"^{re.escape(name)} resolves to "):
        await egress.vet(url, "external")


@pytest.mark.parametrize("name", CASES["accept_resolution"])
async def test_a_name_with_good_addresses_gives_them_in_order(egress: Egress, name: str) -> None:
    url = egress.check_url(f"https://{name}/", "internal")
    assert await egress.vet(url, "external") == CASES["accept_resolution"][name]


async def test_allow_list_serves_internal_subscribers_only(generous: Egress) -> None:
    url = generous.check_url("http://127.0.0.1:9000/", "internal")
    assert await generous.vet(url, "internal") == ["127.0.0.1"]
    with pytest.raises(AddressBlocked, match="HOOKLINE_EGRESS_ALLOW"):
        await generous.vet(url, "external")
    mixed = generous.check_url("http://mixed/", "internal")
    assert await generous.vet(mixed, "internal") == ["8.8.8.8", "10.0.0.1"]


async def test_hidden_addresses_stay_blocked_whatever_is_allowed(generous: Egress) -> None:
    for name in ("mapped", "nat64", "sixto4", "zero"):
        with pytest.raises(AddressBlocked):
            await generous.vet(generous.check_url(f"http://{name}/", "internal"), "internal")


async def test_a_name_without_address_is_another_error_than_a_blocked_one(egress: Egress) -> None:
    with pytest.raises(NameNotResolved) as caught:
        await egress.vet(egress.check_url("https://unknown.example/", "external"), "external")
    assert caught.value.code == "dns"


def test_literal_is_checked_at_registration(egress: Egress) -> None:
    with pytest.raises(AddressBlocked, match=r"10\.0\.0\.1 is in 10\.0\.0\.0/8"):
        egress.check_url("http://10.0.0.1/", "internal")


def test_bad_allow_list_is_refused_at_the_start() -> None:
    with pytest.raises(AllowEntryInvalid, match="nonsense"):
        Egress(["nonsense"])


async def test_a_proxy_that_vets_is_asked_for_the_name() -> None:
    egress = Egress((), HandClock(), lookup, proxy=parse("http://proxy.example:3128"), checks="proxy")
    url = egress.check_url("https://unknown.example/", "external")
    assert await egress.vet(url, "external") == ["unknown.example"]
    with pytest.raises(AddressBlocked):
        egress.check_url("https://10.0.0.1/", "external")
    with pytest.raises(EgressError, match="local name"):
        egress.check_url("https://metadata.internal/", "external")
    with pytest.raises(EgressError, match="port 6379"):
        egress.check_url("https://receiver.example:6379/", "external")
    egress.close()


async def test_with_a_proxy_the_checks_are_ours_unless_it_is_said_otherwise() -> None:
    egress = Egress((), HandClock(), lookup, proxy=parse("http://proxy.example:3128"))
    url = egress.check_url("https://unknown.example/", "external")
    with pytest.raises(NameNotResolved):
        await egress.vet(url, "external")
    assert "vetted here" in egress.described()
    egress.close()


async def test_without_a_proxy_nobody_else_can_check(egress: Egress) -> None:
    assert Egress(checks="proxy").checks == egress.checks == "ours"


async def test_the_proxy_itself_may_be_anywhere() -> None:
    proxy = parse("http://proxy.internal:3128")
    egress = Egress((), HandClock(), lambda _name: ["10.0.0.7"], proxy=proxy)
    assert await egress.proxy_addresses(proxy) == ["10.0.0.7"]
    assert await egress.proxy_addresses(parse("http://[fd00::1]:3128")) == ["fd00::1"]
    egress.close()
