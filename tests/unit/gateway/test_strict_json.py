"""JSON that means one thing only, or the byte at which it does not."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import strict_json
from gateway.problems import Problem

REFUSED: list[tuple[bytes, str, int]] = [
    (b"", "malformed_json", 0),
    (b"   ", "malformed_json", 3),
    (b"null", "malformed_json", 0),
    (b" 42", "malformed_json", 1),
    (b"true", "malformed_json", 0),
    (b'"text"', "malformed_json", 0),
    (b"[]", "malformed_json", 0),
    (b"{} x", "malformed_json", 3),
    (b"{}{}", "malformed_json", 2),
    (b"\xef\xbb\xbf{}", "invalid_encoding", 0),
    ("{}".encode("utf-16"), "invalid_encoding", 0),
    ("{}".encode("utf-16-le"), "invalid_encoding", 1),
    ("{}".encode("utf-16-be"), "invalid_encoding", 0),
    ("{}".encode("utf-32-be"), "invalid_encoding", 0),
    (b'{"a":"\xff"}', "invalid_encoding", 6),
    (b'{"a":"\xed\xa0\x80"}', "invalid_encoding", 6),
    (b'{"a":"\xc0\xaf"}', "invalid_encoding", 6),
    (b'{"a":NaN}', "malformed_json", 5),
    (b'{"a":Infinity}', "malformed_json", 5),
    (b'{"a":-Infinity}', "malformed_json", 5),
    (b'{"a":"NaN 1e400","b":1e400}', "malformed_json", 21),
    ('{"ä":"é","a":-1e400}'.encode(), "malformed_json", 15),
    (b'{"a":' + b"9" * 400 + b"}", "malformed_json", 5),
    (b'{"a":' + b"9" * 5_000 + b"}", "malformed_json", 5),
    (b'{"a":1,"a":1}', "malformed_json", 7),
    (b'{"a":1,"\\u0061":2}', "malformed_json", 7),
    (b'{"s":"{\\"a\\":1","x":[{"a":1},{"a":1,"b":{"a":1}, "a" :2}]}', "malformed_json", 49),
    (b'{"a":' * 65 + b"1" + b"}" * 65, "malformed_json", 320),
    (b"[" * 100_000, "malformed_json", 64),
    (b'{"a":"\\ud800"}', "malformed_json", 6),
    (b'{"a":"\\uDC00"}', "malformed_json", 6),
    (b'{"\\ud83dx":1}', "malformed_json", 2),
    (b'{"a":"\\ud83d\\ud83d\\ude00"}', "malformed_json", 6),
    (b'{"a":"\\ud83d \\ude00"}', "malformed_json", 6),
    (b'{"a":"\\u0000"}', "malformed_json", 6),
    (b'{"a":"\x00"}', "malformed_json", 6),
    (b'{"a":"\n"}', "malformed_json", 6),
    (b'{"a":01}', "malformed_json", 6),
    (b'{"a":+1}', "malformed_json", 5),
    (b'{"a":.5}', "malformed_json", 5),
    (b'{"a":1.}', "malformed_json", 6),
    (b"{'a':1}", "malformed_json", 1),
    (b'{"a":1,}', "malformed_json", 6),
    (b"[1, ]", "malformed_json", 2),
    (b'{"a"', "malformed_json", 4),
    (b'{"a":"b', "malformed_json", 5),
    (b'{"a":"\\x"}', "malformed_json", 6),
    (b'{"a":\x0c1}', "malformed_json", 5),
    ("{\u00a0}".encode(), "malformed_json", 1),
    (b'{"a":1 /* why */}', "malformed_json", 7),
]


@pytest.mark.parametrize(("raw", "code", "offset"), REFUSED, ids=[repr(row[0][:24]) for row in REFUSED])
def test_refuses_with_the_byte_offset(raw: bytes, code: str, offset: int) -> None:
    with pytest.raises(Problem) as caught:
        strict_json.decode_object(raw)
    assert (caught.value.code, caught.value.status, caught.value.offset) == (code, 400, offset)
    assert f"byte {offset}" in caught.value.detail or raw == b""


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b' {"a": 1} \r\n\t', {"a": 1}),
        (b'{"a":"\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
        (b'{"a":{"x":1},"b":{"x":1}}', {"a": {"x": 1}, "b": {"x": 1}}),
        (b'{"a":1e308,"b":1e-400,"c":-0}', {"a": 1e308, "b": 0.0, "c": 0}),
        (b'{"a":' * 64 + b"1" + b"}" * 64, None),
        (b'{"a":"' + b"[" * 100 + b'"}', {"a": "[" * 100}),
        (b'{"a":[' + b"{}," * 100 + b"1]}", {"a": [{}] * 100 + [1]}),
    ],
)
def test_takes_what_is_well_formed(raw: bytes, value: Any) -> None:
    decoded = strict_json.decode_object(raw)
    assert value is None or decoded == value


def test_nul_characters_are_refused_only_where_asked() -> None:
    assert strict_json.decode(b'["\\u0000"]') == ["\0"]
    with pytest.raises(Problem):
        strict_json.decode(b'["\\u0000"]', nul=False)


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":"' + b"[" * 70 + b'\\"' * 120_000,
        b'{"a":"' + b"[" * 70 + b'\\"' * 120_000 + b"\\",
        b'{"a":[' + b"{}," * 80_000 + b"1e400]}",
        b'{"a":' + b"-" * 250_000,
    ],
)
def test_no_body_takes_more_than_linear_time_to_refuse(raw: bytes) -> None:
    with pytest.raises(Problem):
        strict_json.decode_object(raw)


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(st.dictionaries(st.text(), _values))
def test_reads_whatever_the_standard_library_writes(value: dict[str, Any]) -> None:
    for ascii_only in (True, False):
        try:
            raw = json.dumps(value, ensure_ascii=ascii_only).encode()
        except UnicodeEncodeError:
            continue
        assert strict_json.decode(raw) == value


@given(st.binary(max_size=60))
def test_whatever_comes_in_only_a_problem_comes_out(raw: bytes) -> None:
    with contextlib.suppress(Problem):
        strict_json.decode(raw)
