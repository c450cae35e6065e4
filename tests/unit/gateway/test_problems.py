"""The table of problems and how one is answered."""

import re
from typing import Any

import msgspec
import pytest
from redis.exceptions import OutOfMemoryError

from gateway import problems
from gateway.problems import FieldError, Problem


@pytest.mark.parametrize("code", sorted(problems.TABLE))
def test_every_row_is_complete(code: str) -> None:
    row = problems.TABLE[code]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", code)
    assert 400 <= row.status < 600
    assert row.title
    assert not row.title.endswith(".")
    assert row.way_out.endswith(".")
    assert (row.retry_after is not None) == (row.status == 503)


async def test_answer_is_an_rfc_9457_document() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    errors = [FieldError("name", "expected a text", 5), FieldError("url", "missing")]
    await problems.send(Problem("invalid_request", "two fields", errors=errors), "req-1", send)
    start, body = sent
    headers = dict(start["headers"])
    assert start["status"] == 422
    assert headers[b"content-type"] == b"application/problem+json"
    assert headers[b"content-length"] == str(len(body["body"])).encode()
    assert msgspec.json.decode(body["body"]) == {
        "type": "/problems/invalid_request",
        "title": "Fields are invalid",
        "status": 422,
        "code": "invalid_request",
        "detail": "two fields",
        "way_out": "Correct every field listed in `errors`.",
        "request_id": "req-1",
        "errors": [{"field": "name", "reason": "expected a text", "value": 5}, {"field": "url", "reason": "missing"}],
    }


def test_the_table_gives_headers() -> None:
    assert Problem("unauthorized").all_headers()["www-authenticate"] == 'Bearer realm="hookline"'
    assert Problem("overloaded").all_headers()["retry-after"] == "1"
    assert Problem("payload_too_large").all_headers()["connection"] == "close"
    assert "connection" not in Problem("not_found").all_headers()
    assert Problem("method_not_allowed", headers={"allow": "GET"}).all_headers()["allow"] == "GET"


def test_the_offset_is_shown_also_when_it_is_zero() -> None:
    document = msgspec.to_builtins(Problem("malformed_json", "empty", offset=0).document("r"))
    assert document["offset"] == 0
    assert "offset" not in msgspec.to_builtins(Problem("not_found").document("r"))


def test_refused_fields_are_all_named() -> None:
    problems.refuse_fields([])
    with pytest.raises(Problem) as caught:
        problems.refuse_fields([problems.field_error("a", "bad", "x" * 500), problems.field_error("b", "worse", [1])])
    first, second = caught.value.errors
    assert first.value == "x" * 200 + "…"
    assert second.value is msgspec.UNSET
    assert "a: bad; b: worse" in caught.value.detail


def test_a_missing_object_and_an_error_of_the_store() -> None:
    with pytest.raises(Problem, match="no endpoint with id ep_1"):
        problems.not_found("endpoint", "ep_1")
    assert problems.store_unavailable(OutOfMemoryError("OOM command not allowed")).code == "store_full"
    assert problems.store_unavailable(TimeoutError()).code == "store_unavailable"
