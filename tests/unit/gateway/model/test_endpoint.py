"""Endpoints and their health."""

import msgspec

from gateway.model.endpoint import Endpoint, Health, LastFailure
from gateway.model.secret import EndpointSecret


def test_an_endpoint_is_enabled_and_wants_everything_unless_it_says_otherwise() -> None:
    endpoint = Endpoint("e", 1, "acme", "external", "https://a.example/")
    assert (endpoint.event_types, endpoint.status, endpoint.disabled_reason, endpoint.headers) == (
        ("*",), "enabled", None, {},
    )  # fmt: skip


def test_both_come_back_from_what_the_registry_stores() -> None:
    secrets = (EndpointSecret("sec_1", "v1", b"\x00\xff", 1, 2),)
    endpoint = Endpoint("e", 1, "acme", "external", "https://a.example/", secrets=secrets, metadata={"a": [1]})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(endpoint), type=Endpoint) == endpoint
    health = Health(3, 1, None, LastFailure(2, "http_status", 500, "dlv"))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(health), type=Health) == health
