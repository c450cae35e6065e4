"""The HTTP API against bad input: each row over every route that it concerns, and nothing is stored.

The rows that need raw bytes (framing, slow bodies) are at `tests/integration/gateway/api/http1` and in
`test_server_raw_input`.
"""

from collections.abc import AsyncIterator

import pytest

from gateway.api.openapi import Operation
from gateway.api.routes import OPERATIONS
from tests.support.api_rig import Rig, code_of

BATCH = "/v1/events/batch"
IDS = {"subscribers": "shop", "endpoints": "e"}
WITH_KEY = [operation for operation in OPERATIONS if operation.scope is not None]
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
OBJECTS = [operation for operation in WITH_BODY if operation.path != BATCH]
OPEN = [operation for operation in OPERATIONS if operation.scope is None]


def path_of(operation: Operation) -> str:
    """The path with ids of objects that exist, where there are any."""
    kind = operation.path.split("/")[2] if operation.path.startswith("/v1/") else ""
    return operation.path.replace("{id}", IDS.get(kind, "some-id")).replace("{code}", "not_found")


def name_of(operation: Operation) -> str:
    return operation.name


def each(operations: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("operation", operations, ids=name_of)


def media_type(operation: Operation) -> dict[str, str]:
    return {"content-type": operation.body_types[0]}


@pytest.fixture
async def untouched(rig: Rig) -> AsyncIterator[Rig]:
    """A gateway whose store must be the same at the end."""
    before = await rig.stored()
    yield rig
    assert await rig.stored() == before
    assert rig.started == []


NOT_AN_OBJECT: list[tuple[bytes, str, int]] = [
    (b"", "malformed_json", 0),
    (b"null", "malformed_json", 0),
    (b"42", "malformed_json", 0),
    (b"[]", "malformed_json", 0),
    (b'"text"', "malformed_json", 0),
    (b"{} x", "malformed_json", 3),
    (b"{", "malformed_json", 1),
    (b"\xef\xbb\xbf{}", "invalid_encoding", 0),
    ('{"type":"a"}'.encode("utf-16"), "invalid_encoding", 0),
    ('{"type":"a"}'.encode("utf-16-le"), "invalid_encoding", 1),
    (b'{"type":"\xff"}', "invalid_encoding", 9),
]
NOT_ONE_MEANING = [
    b'{"data":NaN}',
    b'{"data":Infinity}',
    b'{"data":-Infinity}',
    b'{"data":1e400}',
    b'{"data":' + b"[" * 65 + b"]" * 65 + b"}",
    b'{"type":"a","type":"a"}',
    b'{"data":{"a":1,"a":1}}',
    b'{"type":"\\ud800"}',
    b'{"type":"a\\u0000"}',
]


@each(OBJECTS)
@pytest.mark.parametrize(("raw", "code", "offset"), NOT_AN_OBJECT, ids=[repr(row[0][:12]) for row in NOT_AN_OBJECT])
async def test_what_is_no_object_is_400_with_the_byte_offset(
    untouched: Rig, operation: Operation, raw: bytes, code: str, offset: int
) -> None:
    if raw == b"" and not operation.body_required:
        return
    answer = await untouched.call(operation.method, path_of(operation), headers=media_type(operation), content=raw)
    assert code_of(answer) == (400, code)
    assert answer.json()["offset"] == offset


@each(OBJECTS)
@pytest.mark.parametrize("raw", NOT_ONE_MEANING, ids=[repr(raw[:20]) for raw in NOT_ONE_MEANING])
async def test_json_with_two_meanings_is_400(untouched: Rig, operation: Operation, raw: bytes) -> None:
    answer = await untouched.call(operation.method, path_of(operation), headers=media_type(operation), content=raw)
    assert code_of(answer) == (400, "malformed_json")


@pytest.mark.parametrize("raw", [b"", b"null", b"42", b"{}", b"[]", b"[1] x", b"[", b"\xef\xbb\xbf[]"])
async def test_a_batch_that_cannot_be_read_is_400(untouched: Rig, raw: bytes) -> None:
    answer = await untouched.call("POST", BATCH, headers={"content-type": "application/json"}, content=raw)
    assert answer.status_code == 400


@each(OBJECTS)
async def test_unknown_fields_are_422_by_name(untouched: Rig, operation: Operation) -> None:
    answer = await untouched.call(
        operation.method, path_of(operation), headers=media_type(operation), content=b'{"no_such_field":1}'
    )
    assert code_of(answer) == (422, "invalid_request")
    assert "no_such_field" in {error["field"] for error in answer.json()["errors"]}


@each(WITH_BODY)
@pytest.mark.parametrize("given", ["", "text/plain", "application/xml", "application/json; charset=utf-16", "json"])
async def test_another_content_type_is_415_and_names_the_header(
    untouched: Rig, operation: Operation, given: str
) -> None:
    headers = {"content-type": given} if given else {}
    answer = await untouched.call(operation.method, path_of(operation), headers=headers, content=b"{}")
    assert code_of(answer) == (415, "unsupported_media_type")
    assert "-H 'Content-Type: application/" in answer.json()["detail"]


@each(WITH_BODY)
@pytest.mark.parametrize("given", ["gzip", "br", "identity", "zstd, gzip"])
async def test_a_content_encoding_is_415(untouched: Rig, operation: Operation, given: str) -> None:
    headers = {**media_type(operation), "content-encoding": given}
    answer = await untouched.call(operation.method, path_of(operation), headers=headers, content=b"{}")
    assert code_of(answer) == (415, "unsupported_media_type")
    assert given in answer.json()["detail"]


@each(WITH_BODY)
async def test_too_large_is_413_by_length_and_by_chunks(untouched: Rig, operation: Operation) -> None:
    limit = 8 * 1_048_576 if operation.path == BATCH else 262_144
    path, headers = path_of(operation), media_type(operation)
    by_length = await untouched.call(
        operation.method, path, headers={**headers, "content-length": str(limit + 1)}, content=b"{}"
    )

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limit // 32_768 + 1):
            yield b" " * 32_768

    by_chunks = await untouched.call(operation.method, path, headers=headers, content=chunks())
    for answer in (by_length, by_chunks):
        assert code_of(answer) == (413, "payload_too_large")
        assert answer.headers["connection"] == "close"


@each(WITH_KEY)
async def test_without_a_good_key_it_is_401(untouched: Rig, operation: Operation) -> None:
    path, secret = path_of(operation), untouched.admin
    revoked, text = await untouched.api_keys.create("revoked", ["admin"])
    await untouched.api_keys.revoke(revoked.id)
    wrong = "hk_" + "A" * 43
    headers: list[list[tuple[str, str]]] = [
        [],
        [("authorization", f"Bearer {wrong}")],
        [("authorization", f"Bearer {text}")],
        [("authorization", secret)],
        [("authorization", f"Basic {secret}")],
        [("authorization", f"Bearer {secret}"), ("authorization", f"Bearer {secret}")],
        [("x-api-key", secret)],
    ]
    for one in headers:
        answer = await untouched.raw(operation.method, path, one)
        assert code_of(answer) == (401, "unauthorized")
        assert answer.headers["www-authenticate"].startswith("Bearer")
    for name in ("api_key", "access_token", "key"):
        assert code_of(await untouched.raw(operation.method, f"{path}?{name}={secret}", [])) == (401, "unauthorized")


@each(WITH_KEY)
async def test_another_scope_is_403(untouched: Rig, operation: Operation) -> None:
    other = "read" if operation.scope != "read" else "publish"
    answer = await untouched.call(operation.method, path_of(operation), await untouched.api_keys_with(other))
    assert code_of(answer) == (403, "forbidden")
    assert str(operation.scope) in answer.json()["detail"]


@each(list(OPERATIONS))
async def test_no_other_spelling_of_the_path_is_found(untouched: Rig, operation: Operation) -> None:
    path = path_of(operation)
    for other in (path + "/", "/" + path, path.replace("/", "//", 1), path + "%00", path + "%2e", "/%2e%2e" + path):
        if other == "//":
            continue
        answer = await untouched.raw(operation.method, other, [("authorization", f"Bearer {untouched.admin}")])
        assert code_of(answer) == (404, "not_found"), other
        assert "location" not in answer.headers


@each(list(OPERATIONS))
async def test_other_methods_are_405_and_the_answer_says_which_are_allowed(
    untouched: Rig, operation: Operation
) -> None:
    path = path_of(operation)
    methods = {other.method for other in OPERATIONS if path_of(other) == path}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        answer = await untouched.call(method, path)
        assert code_of(answer) == (405, "method_not_allowed")
        assert set(answer.headers["allow"].split(", ")) - {"HEAD"} == methods
    assert code_of(await untouched.call("TRACE", path)) == (405, "method_not_allowed")


@each(list(OPERATIONS))
async def test_an_unknown_parameter_is_400_by_name(untouched: Rig, operation: Operation) -> None:
    answer = await untouched.call(operation.method, f"{path_of(operation)}?no_such=1")
    if operation.body is not None and code_of(answer)[0] == 415:
        answer = await untouched.call(
            operation.method, f"{path_of(operation)}?no_such=1", headers=media_type(operation), content=b"{}"
        )
    assert code_of(answer) == (400, "invalid_parameter")


LISTS = [operation for operation in OPERATIONS if "cursor" in operation.query_names]


@each(LISTS)
@pytest.mark.parametrize("limit", ["0", "-1", "1e9", "201", "1.5", "٣", "0x10", "+5", "5 "])
async def test_limits(untouched: Rig, operation: Operation, limit: str) -> None:
    answer = await untouched.call("GET", path_of(operation), params={"limit": limit})
    assert code_of(answer) == (400, "invalid_parameter")
    assert "limit" in answer.json()["detail"]


@each(LISTS)
@pytest.mark.parametrize("cursor", ["abc", "A" * 64, "!", "=" * 8, "x" * 2_000])
async def test_forged_cursors(untouched: Rig, operation: Operation, cursor: str) -> None:
    answer = await untouched.call("GET", path_of(operation), params={"cursor": cursor})
    assert code_of(answer) == (400, "invalid_cursor")


@each(list(OPERATIONS))
async def test_every_answer_has_a_request_id(rig: Rig, operation: Operation) -> None:
    for path in (path_of(operation), path_of(operation) + "/"):
        given = await rig.call(operation.method, path, headers={"x-request-id": "mine-1"})
        assert given.headers["x-request-id"] == "mine-1"
        made = await rig.call(operation.method, path, headers={"x-request-id": "not one"})
        assert made.headers["x-request-id"].startswith("req_")


@each(OPEN)
async def test_what_needs_no_key_ignores_one(untouched: Rig, operation: Operation) -> None:
    for key in ("", "hk_" + "A" * 43):
        assert (await untouched.call("GET", path_of(operation), key)).status_code == 200
