"""What a handler may ask of its call."""

import asyncio

import pytest

from gateway.api.call import BODY_BYTES, Call, require_media_type
from gateway.model.api_key import ApiKey
from gateway.problems import Problem
from tests.support.asgi import Client

JSON = {b"content-type": b"application/json"}
PATCH = ("application/merge-patch+json", "application/json")


async def call_of(body: bytes, headers: dict[bytes, bytes], subscriber: str | None = None) -> Call:
    """A call with a body."""
    key = ApiKey("key_1", "n", ("read",), 0, subscriber)
    patience = asyncio.timeout(None)
    await patience.__aenter__()
    return Call(None, key, "req_1", {}, {}, headers, Client(body).receive, patience)


async def code_of(call: Call, method: str) -> str:
    """The code of the problem that one of its methods raises."""
    with pytest.raises(Problem) as caught:
        await getattr(call, method)()
    return caught.value.code


@pytest.mark.parametrize(
    "given",
    [
        b"application/json",
        b"Application/JSON",
        b"application/json; charset=utf-8",
        b'application/json;charset="UTF-8"',
        b"application/json ; x=y",
        b"application/merge-patch+json",
    ],
)
def test_media_types_that_pass(given: bytes) -> None:
    require_media_type({b"content-type": given}, PATCH)


@pytest.mark.parametrize(
    "given", [b"", b"text/json", b"application/json, text/plain", b"application/json; charset=latin-1", b"*/*", b"\xff"]
)
def test_media_types_that_do_not(given: bytes) -> None:
    with pytest.raises(Problem, match="Content-Type") as caught:
        require_media_type({b"content-type": given}, PATCH)
    assert caught.value.code == "unsupported_media_type"
    with pytest.raises(Problem, match="Content-Type is missing"):
        require_media_type({}, PATCH)


async def test_bodies() -> None:
    assert await (await call_of(b'{"a":1}', JSON)).json_object() == {"a": 1}
    assert await code_of(await call_of(b"{}", {}), "json_object") == "unsupported_media_type"
    assert await code_of(await call_of(b"[]", JSON), "json_object") == "malformed_json"
    assert await code_of(await call_of(b" " * (BODY_BYTES + 1), JSON), "json_object") == "payload_too_large"


async def test_optional_and_empty_bodies() -> None:
    assert await (await call_of(b"", {})).optional_json_object() == {}
    assert await (await call_of(b'{"a":1}', JSON)).optional_json_object() == {"a": 1}
    assert await code_of(await call_of(b'{"a":1}', {}), "optional_json_object") == "unsupported_media_type"
    for body in (b"", b"{}", b" { } "):
        await (await call_of(body, {})).empty_body()
    assert await code_of(await call_of(b'{"a":1}', JSON), "empty_body") == "malformed_json"


async def test_patience_rests_while_the_body_comes() -> None:
    call = await call_of(b"{}", JSON)
    await call.json_object()
    when = call.patience.when()
    assert when is not None
    assert when > asyncio.get_running_loop().time()
    call.patience.reschedule(None)


async def test_a_bound_key_sees_one_subscriber() -> None:
    bound, free = await call_of(b"", {}, "acme"), await call_of(b"", {})
    assert (bound.sees("acme"), bound.sees("rival"), free.sees("rival")) == (True, False, True)
    with pytest.raises(Problem, match="no endpoint with id e"):
        bound.require_visible("rival", "endpoint", "e")


async def test_services_before_the_store_answered() -> None:
    with pytest.raises(Problem) as caught:
        _ = (await call_of(b"", {})).services
    assert caught.value.code == "store_unavailable"
