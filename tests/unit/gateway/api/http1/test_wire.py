"""Between the wire and ASGI."""

import pytest

from gateway.api.http1 import wire
from gateway.api.http1.wire import Target

DATE = b"date: x\r\n"


@pytest.mark.parametrize(
    ("url", "target"),
    [
        (b"/", Target(b"/", b"")),
        (b"/a/b?c=d?e", Target(b"/a/b", b"c=d?e")),
        (b"//host/a", Target(b"//host/a", b"")),
        (b"/a%2fb", Target(b"/a%2fb", b"")),
        (b"*", Target(b"*", b"")),
        (b"host:80", Target(b"host:80", b"")),
        (b"http://host/a?b", Target(b"/a", b"b")),
        (b"HTTP://host", Target(b"/", b"")),
        (b"http://host?b", Target(b"/", b"b")),
        (b"http://", None),
    ],
)
def test_targets(url: bytes, target: Target | None) -> None:
    assert wire.target_of(url) == target


@pytest.mark.parametrize(
    ("raw", "path"), [(b"/a", "/a"), (b"/a%3Ab", "/a:b"), (b"/%c3%a4", "/ä"), (b"/%ff", "/\ufffd")]
)
def test_scopes(raw: bytes, path: str) -> None:
    scope = wire.scope_of("GET", Target(raw, b"q"), "1.1", [(b"host", b"x")], ("127.0.0.1", 5))
    assert (scope["raw_path"], scope["path"], scope["query_string"]) == (raw, path, b"q")
    assert (scope["type"], scope["http_version"], scope["client"]) == ("http", "1.1", ("127.0.0.1", 5))


def test_frames() -> None:
    plain = wire.frame(200, [(b"x", b"1")], 5, DATE, closes=False)
    assert plain == (b"HTTP/1.1 200 OK\r\ndate: x\r\nx: 1\r\ncontent-length: 5\r\n\r\n", False)
    given = wire.frame(200, [(b"content-length", b"7")], 0, DATE, closes=True)
    assert given == (b"HTTP/1.1 200 OK\r\ndate: x\r\ncontent-length: 7\r\nconnection: close\r\n\r\n", True)


def test_the_application_may_close() -> None:
    asked = wire.frame(413, [(b"connection", b"close")], 0, DATE, closes=False)
    assert asked.closes
    assert asked.head.count(b"connection") == 1


def test_no_length_where_there_is_no_body() -> None:
    assert b"content-length" not in wire.frame(204, [], 0, DATE, closes=False).head
