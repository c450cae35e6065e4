"""The registry's change stream: what a reader that keeps the registry in memory must load again.

Every registry script adds one entry (kind, id) per object that it wrote and trims the stream to about 10,000. A
reader asks for the entries from its cursor on, *including* the one at the cursor. Is that one not the first of the
answer, then entries that the reader never saw may be gone (trimmed, the stream deleted or made anew): the answer is
`truncated` and the reader loads everything. The stream is never empty: a first entry of kind `start` is made with it.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from gateway.store.keys import RegistryKeys

PAGE = 1_000
ChangeKind = Literal["subscriber", "endpoint", "api_key", "breaker"]
KINDS: tuple[ChangeKind, ...] = ("subscriber", "endpoint", "api_key", "breaker")


class Change(NamedTuple):
    """One object that was made, changed or removed: look whether it is still there."""

    kind: ChangeKind
    id: str


class Changes(NamedTuple):
    """The changes after a cursor, oldest first; `cursor` is where to go on.

    `truncated`: load everything, from a new cursor taken before (`Registry.changes_tail`). `more`: the page was full,
    read on at once.
    """

    cursor: str
    changes: tuple[Change, ...] = ()
    truncated: bool = False
    more: bool = False


def command(cursor: str) -> tuple[str, ...]:
    """The read-only command for one page from `cursor` on; its reply is for `parse`."""
    return ("XRANGE", RegistryKeys.changes, cursor, "+", "COUNT", str(PAGE + 1))


def parse(cursor: str, reply: Sequence[Any] | None) -> Changes:
    """Read the reply of `command(cursor)`, raw or as redis-py gives it: (id, fields), the latter flat or a mapping."""
    entries = [(entry[0].decode(), _mapping(entry[1])) for entry in reply or ()]
    if not entries or entries[0][0] != cursor:
        return Changes(cursor, truncated=True)
    found = (Change(fields[b"kind"].decode(), fields[b"id"].decode()) for _, fields in entries[1:])
    return Changes(entries[-1][0], tuple(change for change in found if change.kind in KINDS), more=len(entries) > PAGE)


def _mapping(fields: Any) -> Any:
    return fields if isinstance(fields, dict) else dict(zip(fields[::2], fields[1::2], strict=True))
