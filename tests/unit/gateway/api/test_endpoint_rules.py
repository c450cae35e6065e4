"""The rules of an endpoint's fields, each by itself."""

import threading
from collections.abc import Iterable, Iterator

import pytest

from gateway.api import endpoint_rules as rules
from gateway.clock import SystemClock
from gateway.egress import Egress
from gateway.problems import FieldError
from receivers import generate_private_key, generate_secret

HANGS = threading.Event()


def lookup(name: str) -> list[str]:
    """What the resolver of these tests knows."""
    if name == "private.example.com":
        return ["93.184.215.14", "10.0.0.1"]
    if name == "missing.example.com":
        raise OSError("no such name")
    if name == "slow.example.com":
        HANGS.wait(30)
    return ["93.184.215.14"]


@pytest.fixture
def egress() -> Iterator[Egress]:
    found = Egress(["127.0.0.0/8"], SystemClock(), lookup)
    yield found
    HANGS.set()
    found.close()


def reasons(found: Iterable[FieldError]) -> dict[str, str]:
    """Reason by field."""
    return {error.field: error.reason for error in found}


@pytest.mark.parametrize("value", ["a", "A-z_0:9", "x" * 100])
def test_ids(value: str) -> None:
    assert reasons(rules.own_id(value, "id")) == {}


@pytest.mark.parametrize("value", ["", "a.b", "a b", "é", "x" * 101, "evt_1", "dlv_x", "op:1", "a\n"])
def test_ids_that_are_none(value: str) -> None:
    assert set(reasons(rules.own_id(value, "id"))) == {"id"}


def test_metadata_is_measured_as_json() -> None:
    assert reasons(rules.metadata({"a": "x" * 4_088}, "m")) == {}
    assert "has 4097 bytes as JSON" in reasons(rules.metadata({"a": "x" * 4_089}, "m"))["m"]
    assert reasons(rules.metadata({"a": "é" * 2_048}, "m")) != {}


def test_patterns_are_valid_and_each_once() -> None:
    assert reasons(rules.event_types(["*", "order.*", "order.placed", "hookline.test"], "t")) == {}
    found = reasons(rules.event_types(["order.*", "*.x", "order.*"], "t"))
    assert set(found) == {"t[1]", "t[2]"}
    assert "twice" in found["t[2]"]


@pytest.mark.parametrize(
    "name",
    ["Host", "content-type", "Content-Whatever", "webhook-id", "Webhook-X", "Connection", "TE", "Trailer", "Upgrade",
     "Keep-Alive", "Proxy-Authorization", "Transfer-Encoding", "User-Agent", "Traceparent", "Expect",
     "Accept-Encoding"],
)  # fmt: skip
def test_headers_that_the_gateway_owns(name: str) -> None:
    assert "set by the gateway" in reasons(rules.headers({name: "x"}, "h"))[f"h.{name}"]


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\n", "é", "(a)"])
def test_header_names_that_are_none(name: str) -> None:
    assert reasons(rules.headers({name: "x"}, "h"))[f"h.{name}"] == "is not a header name (RFC 9110 token)"


@pytest.mark.parametrize("value", ["", " a", "a ", "a\tb", "a\r\nb", "a\0", "é", "x" * 1_024])
def test_header_values_are_visible_and_short_and_not_repeated(value: str) -> None:
    found = list(rules.headers({"x": value}, "h"))
    assert len(found) == 1
    assert "visible ASCII" in found[0].reason
    assert repr(value) not in repr(found)


def test_headers_that_pass() -> None:
    good = {"Authorization": "Bearer a b c", "X-Tenant": "7", "x_y": "~", "Cookie": "a=b; c=d", "x" * 24: "y" * 1_000}
    assert reasons(rules.headers(good, "h")) == {}
    assert "21 headers" in reasons(rules.headers({f"x{number}": "1" for number in range(21)}, "h"))["h"]
    assert set(reasons(rules.headers({"X-A": "1", "x-a": "2"}, "h"))) == {"h.x-a"}


def test_secrets() -> None:
    assert reasons(rules.secret(generate_secret(), "s")) == {}
    assert reasons(rules.secret(generate_private_key(), "s")) == {"s": "only whsec_ secrets sign here"}
    wrong = "whsec_" + "A" * 12
    (error,) = rules.secret(wrong, "s")
    assert wrong not in repr(error)


def test_lines() -> None:
    assert reasons(rules.line("Größe ✓", "n")) == {}
    assert reasons(rules.line("a\nb", "n")) != {}


async def test_urls(egress: Egress) -> None:
    assert await rules.url(egress, "https://a.example.com/", "external", "url") == []
    assert await rules.url(egress, "http://127.0.0.1:8999/", "internal", "url") == []
    (refused,) = await rules.url(egress, "http://127.0.0.1:8999/", "external", "url")
    assert refused.value == "http://127.0.0.1:8999/"
    (blocked,) = await rules.url(egress, "https://private.example.com/", "external", "url")
    assert "10.0.0.1" in blocked.reason


async def test_a_name_that_does_not_resolve_is_asked_again_later(egress: Egress) -> None:
    assert await rules.url(egress, "https://missing.example.com/", "external", "url") == []


async def test_a_name_that_takes_long_is_asked_again_later(egress: Egress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "RESOLVE_SECONDS", 0.05)
    assert await rules.url(egress, "https://slow.example.com/", "external", "url") == []


@pytest.mark.parametrize("value", [None, "", "true", "data.amount > 100"])
def test_filters(value: str | None) -> None:
    assert reasons(rules.filter_text(value, "f")) == {}


@pytest.mark.parametrize("value", ["data.amount >", "amount > 100", "x" * 5_000])
def test_filters_that_are_none(value: str) -> None:
    (error,) = rules.filter_text(value, "f")
    assert error.field == "f"
    assert len(str(error.value)) <= 201
