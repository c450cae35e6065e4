"""Lists in pages: `{"data": [...], "next": "<cursor>" | null}`.

| parameter | meaning |
|---|---|
| `limit` | at most so many items, 1-200, default 50 |
| `order` | `desc` (default, newest first) or `asc` |
| `cursor` | the `next` of the page before, with the same filters and the same order |

A descending list ends with `next: null`. An ascending one can be tailed: `next` is given with every page that has
items, and an empty page with `next: null` means "nothing new; ask again with the cursor that you have". A page may
hold fewer items than `limit`, even none, with a `next`: one request looks at a bounded number of entries.

A cursor is a position in the list's total order, not a copy of it, so new items never shift a page. It is signed with
the deployment's cursor key and bound to filters and order; anything else is refused as `invalid_cursor`.
"""

import base64
import binascii
import hashlib
import hmac
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec

from gateway.problems import Problem

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
PARAMETERS = frozenset({"limit", "order", "cursor"})
_MAC_BYTES = 16
_MAX_CURSOR = 512

Position = tuple[int | str, ...]
T = TypeVar("T")


class Page(msgspec.Struct, Generic[T]):
    """One page of a list. `next` is the cursor of the page that follows, null where the list ends."""

    data: list[T]
    next: str | None


class PageRequest(NamedTuple):
    """What a caller asked for: `after` is the position that they have reached, None at the beginning."""

    limit: int
    ascending: bool
    after: Position | None
    binding: bytes
    key: bytes

    def page(self, data: Sequence[T], position: Position | None) -> Page[T]:
        """The answer; `position` is the one to go on from, None where the list ends."""
        return Page(list(data), None if position is None else self.cursor(position))

    def cursor(self, position: Position) -> str:
        """The signed cursor of a position in this list."""
        payload = msgspec.msgpack.encode(position)
        signed = payload + _mac(self.key, self.binding, payload)
        return _text(signed)

    def cut(self, items: Iterable[tuple[Position, T]]) -> Page[T]:
        """The page of a list that is small enough to be at hand as a whole, in any order, with unique positions."""
        after = self.after
        if after is not None:
            items = [pair for pair in items if (pair[0] > after if self.ascending else pair[0] < after)]
        ordered = sorted(items, key=lambda pair: pair[0], reverse=not self.ascending)
        some = ordered[: self.limit]
        more = len(ordered) > self.limit or (self.ascending and bool(some))
        return self.page([item for _, item in some], some[-1][0] if more else None)

    def take(self, items: Iterable[tuple[Position, T]]) -> Page[T]:
        """The page of a list that comes in this request's order from behind its cursor on; only so much is read."""
        found = list(itertools.islice(items, self.limit + 1))
        some = found[: self.limit]
        more = len(found) > self.limit or (self.ascending and bool(some))
        return self.page([item for _, item in some], some[-1][0] if more else None)


def read(query: Mapping[str, str], scope: str, key: bytes) -> PageRequest:
    """The page that a query asks for; every parameter that is not of pages is a filter.

    `scope` names the list and whatever bounds it beside the query, such as the subscriber of the API key; `key` is the
    deployment's cursor key. Raises Problem `invalid_parameter` or `invalid_cursor`.
    """
    limit = _limit(query.get("limit"))
    order = query.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise Problem("invalid_parameter", f"order is {order[:64]!r}; it is asc or desc")
    filters = sorted((name, value) for name, value in query.items() if name not in PARAMETERS)
    binding = hashlib.sha256(msgspec.msgpack.encode((scope, order, filters))).digest()
    after = _position(query["cursor"], binding, key) if "cursor" in query else None
    return PageRequest(limit, order == "asc", after, binding, key)


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if re.fullmatch(r"[0-9]{1,9}", text) is None or not 1 <= int(text) <= MAX_LIMIT:
        raise Problem("invalid_parameter", f"limit is {text[:64]!r}; it is a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def _text(signed: bytes) -> str:
    return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()


def _mac(key: bytes, binding: bytes, payload: bytes) -> bytes:
    return hmac.digest(key, binding + payload, "sha256")[:_MAC_BYTES]


def _position(text: str, binding: bytes, key: bytes) -> Position:
    refused = Problem(
        "invalid_cursor",
        "this cursor is not the `next` of a page of this list with these filters and this order; start without one",
    )
    if len(text) > _MAX_CURSOR or re.fullmatch(r"[A-Za-z0-9_-]+", text) is None:
        raise refused
    try:
        signed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise refused from None
    payload, mac = signed[:-_MAC_BYTES], signed[-_MAC_BYTES:]
    if _text(signed) != text or not hmac.compare_digest(mac, _mac(key, binding, payload)):
        raise refused
    return msgspec.msgpack.decode(payload, type=tuple[int | str, ...])
