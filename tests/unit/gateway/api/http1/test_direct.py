"""Heads that come again are known by their bytes and by nothing less; a direct request is answered once."""

from typing import Any

import pytest

from gateway.api.http1.direct import App, Direct, Head, Reply, never

SCOPE = {"method": "POST", "headers": [(b"host", b"x"), (b"content-length", b"2"), (b"a", b"content-length: 9")]}


class Ready:
    """Begins what it is told to."""

    def __init__(self, *, begins: bool = True) -> None:
        self.begins = begins
        self.bodies: list[bytes] = []
        self.errors: list[BaseException] = []

    def begin(self, body: bytes, reply: Reply) -> bool:
        self.bodies.append(body)
        return self.begins

    def headers(self, length: int) -> bytes:
        return b"content-length: %d" % length

    def failing(self, error: BaseException) -> App:
        self.errors.append(error)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise error

        return app


class Peer:
    """What a direct request told its connection."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def accept(self, headers: bytes, body: bytes) -> None:
        self.said.append(f"{headers.decode()} {body.decode()}")

    def go_ordinary(self, direct: Direct, app: App | None) -> None:
        self.said.append("failed" if app else "ordinary")


def request(length: bytes = b"2", body: bytes = b"{}", name: bytes = b"Content-Length: ", more: bytes = b"") -> bytes:
    head = b"POST /v1/events HTTP/1.1\r\nHost: x\r\n" + name + length
    return head + b"\r\nA: content-length: 9\r\n" + more + b"\r\n" + body


def head(raw: bytes = request()) -> Head:
    return Head(SCOPE, Ready(), raw)


@pytest.mark.parametrize(
    ("again", "body"),
    [
        (request(), b"{}"),
        (request(b"3", b"[1]"), b"[1]"),
        (request(b"0", b""), b""),
        (request(b"0002", b"[]"), b"[]"),
        (request(b"1234567", b"x" * 1_234_567), b"x" * 1_234_567),
    ],
)
def test_the_same_head_with_its_body_is_known(again: bytes, body: bytes) -> None:
    assert head().body_of(again) == body


@pytest.mark.parametrize(
    "other",
    [
        b"",
        request()[:-1],
        request() + b"P",
        request() + request(),
        request(b"+2"),
        request(b""),
        request(b" 2"),
        request(b"2 "),
        request(b"2, 2"),
        request("²".encode()),
        request(b"12345678", b"x" * 12_345_678),
        request(name=b"content-length: "),
        request(more=b"Transfer-Encoding: chunked\r\n"),
        request().replace(b"Host: x", b"Host: y"),
        request().replace(b"POST", b"GET"),
        request()[: request().index(b"\r\n\r\n")],
    ],
)
def test_anything_else_is_not(other: bytes) -> None:
    assert head().body_of(other) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        request(b"3"),
        request(more=b"content-length: 2\r\n"),
        request(name=b"X: "),
        request(name=b"Transfer-Encoding: chunked\r\nX: "),
    ],
)
def test_a_head_without_one_plain_length_is_never_known_again(raw: bytes) -> None:
    assert head(raw).body_of(raw) is None
    assert head(raw).body_of(request()) is None


def test_the_scope_has_the_length_of_the_body() -> None:
    headers = head().scope_of(b"12345")["headers"]
    assert headers == [(b"host", b"x"), (b"content-length", b"5"), (b"a", b"content-length: 9")]
    assert SCOPE["headers"][1] == (b"content-length", b"2")


@pytest.mark.parametrize(("call", "said"), [("send", "content-length: 1 1"), ("again", "ordinary"), ("fail", "failed")])
def test_it_is_answered_once(call: str, said: str) -> None:
    ready, peer = Ready(), Peer()
    direct = Direct(peer, Head(SCOPE, ready), b"{}")
    assert direct.begin()
    assert ready.bodies == [b"{}"]
    arguments: dict[str, tuple[Any, ...]] = {"send": (b"1",), "again": (), "fail": (ValueError("x"),)}
    getattr(direct, call)(*arguments[call])
    for name, given in arguments.items():
        getattr(direct, name)(*given)
    assert peer.said == [said]


def test_by_default_nothing_goes_the_direct_way() -> None:
    never({"method": "POST"})
