"""JSON that means one thing only: what two parsers might read differently is refused with the byte offset.

Refused beyond RFC 8259's grammar: other encodings than UTF-8, a byte order mark, NaN and Infinity, numbers that a
double cannot hold (1e400), nesting deeper than 64, duplicate keys, lone surrogates, and on request NUL characters.

The quick way is the standard library's C scanner; only when it refuses, or the brackets are many, a slower walk over
the tokens finds the place. So a good body costs one pass, and a bad one names the byte.
"""

import json
import math
import re
from typing import Any, NoReturn

from gateway.problems import Problem

MAXIMUM_DEPTH = 64
_DOUBLE_DIGITS = 308
# an unterminated text is one token up to the end, else the search would begin again at each of its quotes
_TOKEN = re.compile(
    r'"(?:[^"\\]|\\.)*+(?:"(?P<key>[ \t\r\n]*:)?|\\?\Z)|[{}\[\]]|NaN|-?Infinity|-?[0-9][0-9.eE+-]*', re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|.)", re.DOTALL)
_SPACE = " \t\r\n"


class _Refused(Exception):
    """A hook of the scanner found what is not allowed; the walk says where."""


def decode(raw: bytes, *, nul: bool = True) -> Any:
    """The value of a body.

    Raises Problem `malformed_json` or `invalid_encoding` with the byte offset. `nul=False` also refuses NUL characters
    in texts and keys.
    """
    return decode_text(text_of(raw), nul=nul)


def decode_object(raw: bytes, *, nul: bool = False) -> dict[str, Any]:
    """The object in a body; raises Problem as `decode` does, also when the value is not an object."""
    text = text_of(raw)
    value = decode_text(text, nul=nul)
    if not isinstance(value, dict):
        _refuse(text, _start(text), f"expected an object, found {_named(value)}")
    return value


def text_of(raw: bytes) -> str:
    """The body as text; raises Problem for anything but UTF-8 without a byte order mark, and for an empty body."""
    if not raw:
        raise Problem("malformed_json", "the body is empty", offset=0)
    if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Problem("invalid_encoding", "the body begins with a byte order mark at byte 0", offset=0)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(
            "invalid_encoding", f"the body is not UTF-8 at byte {error.start}: {error.reason}", offset=error.start
        ) from None
    zero = text.find("\0", 0, 4)
    if zero >= 0:
        raise Problem("invalid_encoding", f"the body looks like UTF-16 or UTF-32: NUL at byte {zero}", offset=zero)
    return text


def decode_text(text: str, *, nul: bool = True) -> Any:
    """As `decode`, from text."""
    if text.count("{") + text.count("[") > MAXIMUM_DEPTH:
        _check_depth(text)
    try:
        value = _scanner.decode(text)
    except json.JSONDecodeError as error:
        _refuse_syntax(text, error)
    except _Refused as error:
        _refuse(text, _place(text), str(error))
    if "\\u" in text:
        _check_escapes(text, nul=nul)
    return value


def _refuse_syntax(text: str, error: json.JSONDecodeError) -> NoReturn:
    """Name what the scanner stumbled over; a trailing comma itself, which Python before 3.13 looks past."""
    if error.pos >= len(text):
        _refuse(text, error.pos, "the body ends too early")
    before = text[: error.pos].rstrip(_SPACE)
    if text[error.pos] in "]}" and before.endswith(","):
        _refuse(text, len(before) - 1, "a comma with nothing after it")
    _refuse(text, error.pos, error.msg.removesuffix(" at"))


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Refused("a key occurs twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _Refused("a number is too large")
    return value


def _int(text: str) -> int:
    if len(text) > _DOUBLE_DIGITS:
        _float(text)
    return int(text)


_scanner = json.JSONDecoder(object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_int)


def _check_depth(text: str) -> None:
    depth = 0
    for match in _TOKEN.finditer(text):
        piece = text[match.start()]
        if piece in "{[":
            depth += 1
            if depth > MAXIMUM_DEPTH:
                _refuse(text, match.start(), f"nesting is deeper than {MAXIMUM_DEPTH}")
        elif piece in "}]":
            depth -= 1


def _place(text: str) -> int:
    """Where the first thing lies that a hook refused: a constant, a number or a repeated key."""
    keys: list[set[str]] = []
    for match in _TOKEN.finditer(text):
        if _is_refused(match, keys):
            return match.start()
    return 0


def _is_refused(match: re.Match[str], keys: list[set[str]]) -> bool:
    piece = match[0]
    if piece in {"{", "["}:
        keys.append(set())
    elif piece in {"}", "]"}:
        keys.pop()
    elif match["key"] is not None:
        key = json.loads(piece[: piece.rindex('"') + 1])
        repeated = key in keys[-1]
        keys[-1].add(key)
        return repeated
    elif piece[0] != '"':
        return piece[-1] in "Ny" or math.isinf(float(piece))
    return False


def _check_escapes(text: str, *, nul: bool) -> None:
    """Refuse `\\ud800` without its other half, and NUL if `nul` is False."""
    high = -1
    for match in _ESCAPE.finditer(text):
        unit = int(match[1] or "0020", 16)
        if high >= 0 and (match.start() != high + 6 or not 0xDC00 <= unit <= 0xDFFF):
            _refuse(text, high, "a lone surrogate")
        if high < 0 and 0xDC00 <= unit <= 0xDFFF:
            _refuse(text, match.start(), "a lone surrogate")
        if unit == 0 and not nul:
            _refuse(text, match.start(), "a NUL character")
        high = match.start() if 0xD800 <= unit <= 0xDBFF else -1
    if high >= 0:
        _refuse(text, high, "a lone surrogate")


def _start(text: str) -> int:
    return len(text) - len(text.lstrip(_SPACE))


def _named(value: Any) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "an array"}
    return "null" if value is None else names[type(value)]


def _refuse(text: str, position: int, why: str) -> NoReturn:
    offset = len(text[:position].encode())
    raise Problem("malformed_json", f"{why} at byte {offset}", offset=offset)
