from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.store import changes


def entry(entry_id: str, kind: str = "endpoint", object_id: str = "ep_1") -> tuple[bytes, dict[bytes, bytes]]:
    return entry_id.encode(), {b"kind": kind.encode(), b"id": object_id.encode()}


def test_only_the_entry_at_the_cursor_means_nothing_changed() -> None:
    assert changes.parse("5-0", [entry("5-0")]) == changes.Changes("5-0")


def test_entries_after_the_cursor_are_the_changes_in_order() -> None:
    found = changes.parse("5-0", [entry("5-0"), entry("5-1", "subscriber", "acme"), entry("6-0", "api_key", "key_1")])
    assert found == changes.Changes("6-0", (changes.Change("subscriber", "acme"), changes.Change("api_key", "key_1")))


def test_a_cursor_that_was_trimmed_away_is_truncated() -> None:
    assert changes.parse("5-0", [entry("9-0"), entry("9-1")]) == changes.Changes("5-0", truncated=True)


def test_a_cursor_beyond_the_stream_or_a_missing_stream_is_truncated() -> None:
    assert changes.parse("5-0", []).truncated
    assert changes.parse("5-0", None).truncated


def test_the_entry_that_begins_a_stream_is_no_change_but_moves_the_cursor() -> None:
    assert changes.parse("5-0", [entry("5-0"), entry("6-0", "start", "")]) == changes.Changes("6-0")


def test_a_full_page_asks_for_more() -> None:
    reply = [entry(f"{number}-0") for number in range(changes.PAGE + 1)]
    found = changes.parse("0-0", reply)
    assert found.more
    assert (found.cursor, len(found.changes)) == (f"{changes.PAGE}-0", changes.PAGE)


def test_the_command_reads_from_the_cursor_itself() -> None:
    name, _, *rest = changes.command("5-0")
    assert (name, rest) == ("XRANGE", ["5-0", "+", "COUNT", str(changes.PAGE + 1)])


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30, unique=True).map(sorted), st.integers(0, 50))
def test_no_change_is_overlooked_whatever_was_trimmed(present: list[int], trimmed: int) -> None:
    """A reader at `cursor` and a stream cut below `trimmed`: either truncated, or it gets every later entry."""
    cursor = present[0]
    left = [number for number in present if number >= trimmed]
    reply: list[Any] = [entry(f"{number}-0", "endpoint", str(number)) for number in left if number >= cursor]
    found = changes.parse(f"{cursor}-0", reply)
    if not found.truncated:
        assert [int(change.id) for change in found.changes] == present[1:]
