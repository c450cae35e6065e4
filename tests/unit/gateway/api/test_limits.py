"""The edge: what never gets past it, and how everything leaves."""

import logging
from typing import Any

import msgspec
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.api.limits import Edge
from gateway.problems import Problem
from tests.support.asgi import Client, Raw, http_scope

HOST = (b"host", b"gateway")


async def through(scope: dict[str, Any], error: Exception | None = None) -> tuple[Client, list[Any]]:
    """What the client saw, and the scopes that reached the application."""
    reached: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)
        if error is not None:
            raise error
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x", b"1")]})
        await send({"type": "http.response.body", "body": b"ok"})

    client = Client()
    await Edge(app)(scope, client.receive, client.send)
    return client, reached


def problem_of(client: Client) -> dict[str, Any]:
    """The answer's problem."""
    assert client.headers[b"content-type"] == b"application/problem+json"
    document: dict[str, Any] = msgspec.json.decode(client.body)
    assert document["status"] == client.status
    assert document["request_id"].encode() == client.headers[b"x-request-id"]
    return document


CLEAN_PATHS = [
    b"/",
    b"/v1/events",
    b"/v1/events/evt_01",
    b"/v1/events/a:b-c_d",
    b"/v1/events/a%3Ab",
    b"/v1/%65vents",
    b"/openapi.json",
    b"/x..y",
    b"/...",
]
DIRTY_PATHS = [
    b"",
    b"*",
    b"v1/events",
    b"//",
    b"//v1/events",
    b"/v1//events",
    b"/v1/events/",
    b"/v1/events/.",
    b"/v1/./events",
    b"/v1/../events",
    b"/..",
    b"/%2e%2e/v1",
    b"/v1/%2E",
    b"/v1%2fevents",
    b"/v1/events%00",
    b"/v1/events%0a",
    b"/v1/events%20",
    b"/v1/events%",
    b"/v1/events%zz",
    b"/v1/events%c3%a4",
    b"/v1/events%25",
    b"/v1/events;x",
    b"/v1/events#x",
    b"/v1\\events",
    b"/v1/events\n",
    b"/v1/\xe4",
]


@pytest.mark.parametrize("path", CLEAN_PATHS)
async def test_clean_paths_pass(path: bytes) -> None:
    client, reached = await through(http_scope(path=path))
    assert (client.status, len(reached)) == (200, 1)


@pytest.mark.parametrize("path", DIRTY_PATHS)
async def test_other_paths_are_not_found_and_never_redirected(path: bytes) -> None:
    client, reached = await through(http_scope(path=path))
    assert (client.status, problem_of(client)["code"], reached) == (404, "not_found", [])
    assert b"location" not in client.headers


REFUSED: list[tuple[str, dict[str, Any], int, str]] = [
    ("path too long", {"path": b"/" + b"a" * 8_192}, 414, "uri_too_long"),
    ("query too long", {"query": b"a=" + b"b" * 8_192}, 414, "uri_too_long"),
    ("a large header", {"headers": (HOST, (b"x", b"a" * 16_384))}, 431, "headers_too_large"),
    ("many headers", {"headers": (HOST, *((b"x-%d" % n, b"1") for n in range(100)))}, 431, "headers_too_large"),
    ("the same header often", {"headers": (HOST, *((b"x", b"1") for _ in range(100)))}, 431, "headers_too_large"),
    ("no host", {"headers": ()}, 400, "malformed_request"),
    ("two hosts", {"headers": (HOST, (b"host", b"other"))}, 400, "malformed_request"),
    ("the same host twice", {"headers": (HOST, HOST)}, 400, "malformed_request"),
    ("an empty host", {"headers": ((b"host", b""),)}, 400, "malformed_request"),
    ("a strange host", {"headers": ((b"host", b"a b"),)}, 400, "malformed_request"),
    ("a host with a path", {"headers": ((b"host", b"a/b"),)}, 400, "malformed_request"),
    ("gzip transfer", {"headers": (HOST, (b"transfer-encoding", b"gzip, chunked"))}, 400, "malformed_request"),
    ("two codings", {"headers": (HOST, *[(b"transfer-encoding", b"chunked")] * 2)}, 400, "malformed_request"),
    ("two lengths", {"headers": (HOST, *[(b"content-length", b"1")] * 2)}, 400, "malformed_request"),
    ("two types", {"headers": (HOST, *[(b"content-type", b"application/json")] * 2)}, 400, "malformed_request"),
    ("two keys", {"headers": (HOST, *[(b"idempotency-key", b"a")] * 2)}, 400, "malformed_request"),
    ("gzip", {"headers": (HOST, (b"content-encoding", b"gzip"))}, 415, "unsupported_media_type"),
    ("identity", {"headers": (HOST, (b"content-encoding", b"identity"))}, 415, "unsupported_media_type"),
    ("TRACE", {"method": "TRACE"}, 405, "method_not_allowed"),
    ("CONNECT", {"method": "CONNECT", "path": b"host:80"}, 405, "method_not_allowed"),
]


@pytest.mark.parametrize(("scope", "status", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refuses(scope: dict[str, Any], status: int, code: str) -> None:
    client, reached = await through(http_scope(**scope))
    assert (client.status, problem_of(client)["code"], reached) == (status, code, [])


@pytest.mark.parametrize("host", [b"gateway", b"127.0.0.1:8080", b"[::1]:8080", b"a.example.com", b"under_score"])
async def test_hosts_that_pass(host: bytes) -> None:
    assert (await through(http_scope(headers=((b"host", host),))))[0].status == 200


async def test_http_1_0_needs_no_host_and_chunked_passes() -> None:
    assert (await through(http_scope(headers=(), version="1.0")))[0].status == 200
    assert (await through(http_scope(headers=(HOST, (b"transfer-encoding", b"Chunked")))))[0].status == 200


async def test_closing_problems_say_so_and_405_says_what_is_allowed() -> None:
    assert (await through(http_scope(headers=())))[0].headers[b"connection"] == b"close"
    assert b"GET" in (await through(http_scope(method="TRACE")))[0].headers[b"allow"]


@pytest.mark.parametrize("given", [b"a", b"550e8400-e29b-41d4-a716-446655440000", b"x" * 128])
async def test_a_plain_request_id_is_kept(given: bytes) -> None:
    client, reached = await through(http_scope(headers=(HOST, (b"x-request-id", given))))
    assert client.headers[b"x-request-id"] == given
    assert reached[0]["head"].request_id.encode() == given


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 129, b"a\xe4", b'"><script>'])
async def test_another_one_is_replaced(given: bytes) -> None:
    client, _ = await through(http_scope(headers=(HOST, (b"x-request-id", given))))
    assert client.headers[b"x-request-id"].startswith(b"req_")


async def test_request_ids_differ() -> None:
    made = set()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        made.add(scope["head"].request_id)
        raise Problem("not_found")

    edge = Edge(app)
    for _ in range(3):
        client = Client()
        await edge(http_scope(), client.receive, client.send)
    assert len(made) == 3


HEADERS: list[tuple[Raw, bytes | None, bytes | None]] = [
    ([(b"authorization", b"a"), (b"traceparent", b"t")], b"a", b"t"),
    ([(b"authorization", b"a"), (b"authorization", b"a")], b"", None),
    ([(b"traceparent", b"t"), (b"traceparent", b"u")], None, None),
]


@pytest.mark.parametrize(("headers", "authorization", "traceparent"), HEADERS)
async def test_the_head_is_handed_on(headers: Raw, authorization: bytes | None, traceparent: bytes | None) -> None:
    _, reached = await through(http_scope(headers=(HOST, *headers)))
    head = reached[0]["head"].headers
    assert (head.get(b"authorization"), head.get(b"traceparent")) == (authorization, traceparent)


async def test_errors_become_problems(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "hookline.gateway")
    own, _ = await through(http_scope(), Problem("forbidden", "no"))
    assert (own.status, problem_of(own)["detail"]) == (403, "no")
    store, _ = await through(http_scope(), RedisConnectionError("gone"))
    assert (store.status, store.headers[b"retry-after"]) == (503, b"2")
    unknown, _ = await through(http_scope(), ValueError("secret detail"))
    assert (unknown.status, b"secret" in unknown.body) == (500, False)


async def test_an_error_after_the_answer_began_is_not_a_second_answer(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "hookline.gateway")
    client = Client()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError

    await Edge(app)(http_scope(), client.receive, client.send)
    assert (client.status, client.body) == (200, b"")
