"""Request headers as any framework hands them over, read once into lower-case names.

Accepted: a mapping, or pairs, of `str` or `bytes` (bytes are latin-1, as in ASGI). Values are taken as they are: a
value with white space around it was not read by an HTTP parser, and a strict rule later refuses it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from receivers.errors import VerificationError

RawHeaders = Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[bytes | str, bytes | str]]


@dataclass(frozen=True, slots=True)
class Headers:
    """Header fields by lower-case name. A repeated field is joined by a comma and a space (RFC 9110, 5.3)."""

    fields: Mapping[str, str]
    repeated: frozenset[str]

    def get(self, name: str) -> str | None:
        """The value of a field that came at most once in a meaningful way, or None. `name` is lower-case."""
        return self.fields.get(name)

    def exactly_one(self, name: str) -> str:
        """The value; raises VerificationError `header_missing` or `header_repeated`."""
        value = self.fields.get(name)
        if value is None:
            raise VerificationError("header_missing", f"the request has no {name} header")
        if name in self.repeated:
            raise VerificationError("header_repeated", f"the request has more than one {name} header")
        return value


def read(headers: RawHeaders) -> Headers:
    """Read headers; raises VerificationError `header_invalid` for anything that is not pairs of text."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    fields: dict[str, str] = {}
    repeated: set[str] = set()
    try:
        for name, value in pairs:
            key = _text(name)
            # only ASCII folds: U+212A (Kelvin sign) would otherwise become the k of "webhook"
            key = key.lower() if key.isascii() else key
            if key in fields:
                repeated.add(key)
                fields[key] = f"{fields[key]}, {_text(value)}"
            else:
                fields[key] = _text(value)
    except (TypeError, ValueError):
        raise VerificationError("header_invalid", "headers are a mapping or pairs of str or bytes") from None
    return Headers(fields, frozenset(repeated))


def _text(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, bytes):
        return part.decode("latin-1")
    raise TypeError
