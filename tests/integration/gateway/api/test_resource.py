"""One path: method, key, scope, query, handler, answer, in this order."""

import asyncio
from typing import Any

import pytest

from gateway.api import resource
from gateway.api.call import Answer, Call
from gateway.api.limits import Head
from gateway.api.openapi import Operation, Parameter, Route
from gateway.api.resource import Resource, answer, no_such_path
from gateway.problems import Problem
from tests.support.api_rig import Rig
from tests.support.asgi import Client, http_scope

QUERY = (Parameter("a", "A."),)


async def handle(call: Call) -> Answer:
    """Say what was seen."""
    return Answer({"path": dict(call.path), "query": dict(call.query), "key": call.key.name}, 200, {"x": "1"})


READ = Route(Operation("r", "GET", "/x/{id}", "s", answers={200: None}, scope="read", parameters=QUERY), handle)
OPEN = Route(Operation("o", "POST", "/x/{id}", "s", answers={200: None}), handle)


async def ask(rig: Rig, method: str = "GET", query: bytes = b"", key: str | None = None, **others: Any) -> Client:
    """Ask the resource."""
    scope = http_scope(method, b"/x/1", query=query)
    headers = {b"authorization": f"Bearer {rig.admin if key is None else key}".encode()}
    scope |= {"head": Head("req_1", headers), "path_params": {"id": "1"}}
    client = Client()
    current = others.get("current", rig.app.current)
    await Resource(current, {"GET": READ, "POST": OPEN}, ["PUT"])(scope, client.receive, client.send)
    return client


async def refused(rig: Rig, *args: Any, **options: Any) -> str:
    """The code of the problem."""
    with pytest.raises(Problem) as caught:
        await ask(rig, *args, **options)
    return caught.value.code


async def test_a_call(rig: Rig) -> None:
    client = await ask(rig, "GET", b"a=b")
    assert client.body == b'{"path":{"id":"1"},"query":{"a":"b"},"key":"test"}'
    assert (client.headers[b"x"], client.headers[b"cache-control"]) == (b"1", b"no-store")
    assert client.headers[b"content-length"] == str(len(client.body)).encode()
    head = await ask(rig, "HEAD", b"a=b")
    assert (head.body, head.headers[b"content-length"]) == (b"", client.headers[b"content-length"])


async def test_the_order_of_refusals(rig: Rig) -> None:
    assert await refused(rig, "DELETE", b"b=c", "wrong") == "method_not_allowed"
    assert await refused(rig, "GET", b"b=c", "wrong") == "unauthorized"
    assert await refused(rig, "GET", b"b=c", await rig.key("publish")) == "forbidden"
    assert await refused(rig, "GET", b"b=c") == "invalid_parameter"
    assert (await ask(rig, "POST", b"", "wrong")).body.endswith(b'"key":""}')


async def test_before_the_store_answered(rig: Rig) -> None:
    assert await refused(rig, "GET", current=lambda: None) == "store_unavailable"
    assert await refused(rig, "PUT", current=lambda: None) == "store_unavailable"
    assert (await ask(rig, "POST", current=lambda: None)).status == 200


async def test_allow_names_every_method() -> None:
    assert Resource(lambda: None, {"GET": READ}, ["PUT"]).allow == "GET, HEAD, PUT"
    assert Resource(lambda: None, {"POST": OPEN}).allow == "POST"


async def test_a_handler_that_hangs_is_a_store_that_does(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "STORE_SECONDS", 0.05)

    async def hangs(call: Call) -> Answer:
        await asyncio.Event().wait()
        return Answer()

    scope = http_scope() | {"head": Head("req_1", {}), "path_params": {}}
    client = Client()
    with pytest.raises(Problem) as caught:
        await Resource(lambda: None, {"GET": Route(OPEN.operation, hangs)})(scope, client.receive, client.send)
    assert caught.value.code == "store_unavailable"


async def test_answers_without_a_body_and_with_bytes() -> None:
    none, raw = Client(), Client()
    await answer(Answer(status=204), none.send)
    assert (none.status, none.body, none.headers) == (204, b"", {b"cache-control": b"no-store"})
    await answer(Answer(b"<p>", headers={"content-type": "text/html"}), raw.send)
    assert (raw.body, raw.headers[b"content-type"]) == (b"<p>", b"text/html")


async def test_no_such_path() -> None:
    with pytest.raises(Problem, match="no such path"):
        await no_such_path()
