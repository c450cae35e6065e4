from dispatcher.sender.destination import Destination
from gateway.egress import Kind
from gateway.egress.urls import parse


def key(text: str, kind: Kind = "internal") -> str:
    return Destination(parse(text, kind), kind).key


def test_path_and_query_share_connections() -> None:
    assert key("https://a.example/x?y") == key("https://a.example:443/z")


def test_kind_scheme_host_and_port_do_not() -> None:
    keys = {
        key("https://a.example/"),
        key("https://a.example/", "external"),
        key("http://a.example:443/"),
        key("https://b.example/"),
        key("https://a.example:8443/"),
    }
    assert len(keys) == 5
