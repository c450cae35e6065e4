"""The strict parser of events: what is accepted, what is refused and how, and that the payload is never touched."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.ingest import envelope
from gateway.model.event import NewEvent
from gateway.problems import Problem

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text('ab":é{}[],'),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text('a":é', max_size=4), inner, max_size=4),
    max_leaves=20,
)


def read(raw: bytes | str, **options: Any) -> NewEvent:
    return envelope.read(raw.encode() if isinstance(raw, str) else raw, "/keys/shop", **options)


def refused(raw: bytes | str, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        read(raw, **options)
    return caught.value


def test_all_attributes_arrive() -> None:
    body = {
        "type": "order.placed", "data": {"a": 1}, "id": "o-1", "source": "/shop", "subject": "order-1",
        "time": "2026-03-15T10:00:00Z", "subscriber": "acme", "partitionkey": "k",
    }  # fmt: skip
    event = read(json.dumps(body))
    assert event == NewEvent(
        "/shop", "order.placed", b'{"a": 1}', "o-1", "order-1", "k", "acme", "2026-03-15T10:00:00Z"
    )  # fmt: skip


def test_the_source_is_the_key_unless_given() -> None:
    assert read('{"type":"a","data":1}').source == "/keys/shop"


@pytest.mark.parametrize(
    "data",
    [
        '1.0000000000000000000001', '{"b":1,"a":2}', "-0", '"\\u00e9"', "1E2", " [ 1 , 2 ] ", '{"a" : 1}', "null",
        '"a\\": b"', "1" * 300, '"\\u0000"',
    ],
)  # fmt: skip
def test_the_payload_is_kept_byte_for_byte(data: str) -> None:
    assert read(f'{{"type":"a","data":{data}}}').data == data.strip().encode()


@given(JSON)
def test_whatever_json_says_is_accepted_as_it_is(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, indent=1)):
        raw = f'{{"type":"a","data":{text}}}'.encode()
        assert read(raw).data == text.encode()


@given(
    st.dictionaries(st.text("ab", min_size=1, max_size=2), st.integers(0, 9), min_size=1), st.sampled_from(["", " "])
)
def test_a_repeated_key_is_never_accepted(pairs: dict[str, int], space: str) -> None:
    first = next(iter(pairs))
    members = ",".join(f'"{name}"{space}:{value}' for name, value in pairs.items())
    problem = refused(f'{{"type":"a","data":{{{members},"{first}":0}}}}')
    assert problem.code == "malformed_json"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "malformed_json"),
        (b"null", "malformed_json"),
        (b"42", "malformed_json"),
        (b"[]", "malformed_json"),
        (b'{"type":"a","data":1} x', "malformed_json"),
        (b'\xef\xbb\xbf{"type":"a","data":1}', "invalid_encoding"),
        ('{"type":"a","data":1}'.encode("utf-16"), "invalid_encoding"),
        (b'{"type":"a","data":"\xff"}', "invalid_encoding"),
        (b'{"type":"a","data":NaN}', "malformed_json"),
        (b'{"type":"a","data":-Infinity}', "malformed_json"),
        (b'{"type":"a","data":1e400}', "malformed_json"),
        (b'{"type":"a","data":[1,]}', "malformed_json"),
        (b'{"type":"a","data":01}', "malformed_json"),
        (b'{"type":"a","type":"b","data":1}', "malformed_json"),
        (b'{"type":"a","data":' + b"[" * 64 + b"]" * 64 + b"}", "malformed_json"),
        (b'{"type":"a","data":' + b"[" * 100_000, "malformed_json"),
        (b'{"type":"a","subject":"\\ud800","data":1}', "malformed_json"),
        (b'{"type":"a","subject":"x\\u0000","data":1}', "malformed_json"),
    ],
)
def test_what_is_not_one_json_object_is_refused_with_the_place(raw: bytes, code: str) -> None:
    problem = refused(raw)
    assert (problem.status, problem.code) == (400, code)
    assert problem.offset is not None


def test_nesting_up_to_the_limit_is_accepted() -> None:
    deep = "[" * 63 + "]" * 63
    assert read(f'{{"type":"a","data":{deep}}}').data == deep.encode()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"type", "data"}),
        ({"type": "a", "data": 1, "extra": 1, "more": 2}, {"extra", "more"}),
        ({"type": 1, "data": 1, "subject": [], "id": None}, {"type", "subject", "id"}),
        ({"type": "a b", "data": 1}, {"type"}),
        ({"type": "a" * 129, "data": 1}, {"type"}),
        ({"type": "hookline.test", "data": 1}, {"type"}),
        ({"type": "a", "data": 1, "id": ""}, {"id"}),
        ({"type": "a", "data": 1, "id": "a.b"}, {"id"}),
        ({"type": "a", "data": 1, "id": "a" * 101}, {"id"}),
        ({"type": "a", "data": 1, "id": "evt_1"}, {"id"}),
        ({"type": "a", "data": 1, "id": "op:1"}, {"id"}),
        ({"type": "a", "data": 1, "time": "yesterday"}, {"time"}),
        ({"type": "a", "data": 1, "time": "2026-02-30T00:00:00Z"}, {"time"}),
        ({"type": "a", "data": 1, "subscriber": "a b", "source": "a b", "subject": "", "partitionkey": "\n"},
         {"subscriber", "source", "subject", "partitionkey"}),
    ],
)  # fmt: skip
def test_invalid_fields_are_named_all_at_once(body: dict[str, Any], fields: set[str]) -> None:
    problem = refused(json.dumps(body))
    assert (problem.status, problem.code) == (422, "invalid_request")
    assert {error.field for error in problem.errors} == fields


def test_the_idempotency_key_is_the_id() -> None:
    assert read('{"type":"a","data":1}', idempotency_key="k-1").id == "k-1"
    assert read('{"type":"a","data":1,"id":"k-1"}', idempotency_key="k-1").id == "k-1"
    assert refused('{"type":"a","data":1,"id":"k-2"}', idempotency_key="k-1").code == "id_conflict"


@pytest.mark.parametrize("raw", [b"", b"a.b", b"a" * 101, b"evt_1", b"\xe9", b"a b"])
def test_an_idempotency_key_that_cannot_be_an_id_is_refused(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        envelope.check_idempotency_key(raw)
    assert caught.value.code == "invalid_parameter"
    assert envelope.check_idempotency_key(None) is None


def test_only_a_valid_traceparent_is_kept() -> None:
    good = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    assert read('{"type":"a","data":1}', traceparent=good.encode()).traceparent == good
    assert read('{"type":"a","data":1}', traceparent=b"00-zz").traceparent == ""


def test_a_batch_is_cut_into_its_items_as_they_are() -> None:
    assert envelope.read_items(b'[{"a": 1},2]') == [b'{"a": 1}', b"2"]


@pytest.mark.parametrize("raw", [b"", b"{}", b"[1,", b"1", b"[1]x"])
def test_what_is_not_an_array_is_no_batch(raw: bytes) -> None:
    with pytest.raises(Problem) as caught:
        envelope.read_items(raw)
    assert caught.value.status == 400
